#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <utility>

#include <idem/detail/abi.hpp>
#include <idem/detail/core/words.hpp>

namespace idem::inline IDEM_ABI::detail {

// The memory of a FrontierTable: chunks on their own while it is small, later pieces of slabs, and the
// directories of its layouts. A chunk that was emptied is the next one to be filled. `left` are the
// bytes that may still be taken; what is null or false has changed nothing.
//
// What still holds ids is given back by its owner, pieces by give_all().
template <class Source>
class FrontierChunks {
 public:
  // What a slab is cut into.
  static constexpr std::size_t piece_bytes = std::size_t{1} << 17;
  [[nodiscard]] static constexpr std::size_t chunk_bytes(bool of_slab) noexcept {
    return of_slab ? piece_bytes : Source::chunk_bytes;
  }

  // What the list of so many slabs takes at most, while it grows.
  [[nodiscard]] static std::uint64_t list_bytes(std::uint64_t slabs) noexcept {
    std::uint64_t room = least_slabs;
    while (room < slabs) room *= 2;
    return (room + room / 2) * sizeof(void*);
  }

  explicit FrontierChunks(bool huge_pages) noexcept : huge_pages_(huge_pages) {}
  FrontierChunks(const FrontierChunks&) = delete;
  FrontierChunks& operator=(const FrontierChunks&) = delete;
  ~FrontierChunks() { give_all(); }

  void swap(FrontierChunks& other) noexcept {
    std::swap(spare_, other.spare_);
    std::swap(slabs_, other.slabs_);
    std::swap(slab_count_, other.slab_count_);
    std::swap(slab_room_, other.slab_room_);
    std::swap(uncut_, other.uncut_);
    std::swap(chunks_, other.chunks_);
    std::swap(directory_bytes_, other.directory_bytes_);
    std::swap(huge_pages_, other.huge_pages_);
  }

  [[nodiscard]] std::uint64_t bytes() const noexcept {
    return chunks_ * Source::chunk_bytes + slab_count_ * Source::slab_bytes +
           slab_room_ * sizeof(void*) + directory_bytes_;
  }
  [[nodiscard]] std::uint64_t directory_bytes() const noexcept { return directory_bytes_; }
  [[nodiscard]] bool huge_pages() const noexcept { return huge_pages_; }
  [[nodiscard]] bool has_slabs() const noexcept { return slab_count_ != 0; }
  [[nodiscard]] bool has_spare() const noexcept { return spare_ != nullptr || uncut_ != 0; }

  [[nodiscard]] std::byte* take(bool of_slab, std::uint64_t left) noexcept {
    if (spare_ != nullptr) return next_spare();
    if (of_slab) return cut_piece(left);
    if (Source::chunk_bytes > left) return nullptr;
    void* const chunk = Source::take();
    if (chunk != nullptr) ++chunks_;
    return static_cast<std::byte*>(chunk);
  }
  void spare(std::byte* chunk) noexcept {
    std::memcpy(chunk, &spare_, sizeof spare_);
    spare_ = chunk;
  }
  // Those that are no pieces.
  void give(std::byte* chunk) noexcept {
    --chunks_;
    Source::give(chunk);
  }
  void give_spares() noexcept {
    while (spare_ != nullptr) give(next_spare());
  }

  // The directory of a layout, for chunks to come.
  [[nodiscard]] bool take_directory(auto& layout, std::uint64_t left) noexcept {
    const std::uint64_t size = layout.chunk_count * sizeof(std::byte*);
    if (size > left) return false;
    void* const raw = ::operator new(static_cast<std::size_t>(size), std::nothrow);
    if (raw == nullptr) return false;
    std::memset(raw, 0, static_cast<std::size_t>(size));
    directory_bytes_ += size;
    layout.chunks = static_cast<std::byte**>(raw);
    return true;
  }
  void give_directory(auto& layout) noexcept {
    directory_bytes_ -= layout.chunk_count * sizeof(std::byte*);
    ::operator delete(layout.chunks);
    layout = {};
  }
  // The chunks too that are no pieces.
  void give_layout(auto& layout) noexcept {
    for (std::uint64_t chunk = 0; chunk < layout.chunk_count; ++chunk)
      if (layout.chunks[chunk] != nullptr && !layout.has_slabs) give(layout.chunks[chunk]);
    give_directory(layout);
  }

  void give_all() noexcept {
    if (!has_slabs()) give_spares();
    spare_ = nullptr;
    for (std::size_t i = 0; i < slab_count_; ++i) Source::give_slab(slabs_[i]);
    ::operator delete(slabs_);
    slabs_ = nullptr;
    slab_count_ = slab_room_ = 0;
    uncut_ = 0;
  }

 private:
  static constexpr std::size_t least_slabs = 16;

  [[nodiscard]] std::byte* next_spare() noexcept {
    std::byte* const chunk = spare_;
    std::memcpy(&spare_, chunk, sizeof spare_);
    return chunk;
  }
  // The next piece of the last slab, as it came from the system.
  [[nodiscard]] std::byte* cut_piece(std::uint64_t left) noexcept {
    if (uncut_ == 0 && !take_slab(left)) return nullptr;
    std::byte* const end = slabs_[slab_count_ - 1] + Source::slab_bytes;
    return end - uncut_-- * piece_bytes;
  }
  [[nodiscard]] bool take_slab(std::uint64_t left) noexcept {
    if (Source::slab_bytes + 2 * sizeof(void*) > left) return false;
    if (slab_count_ == slab_room_) {
      const std::size_t room = larger<std::size_t>(least_slabs, 2 * slab_room_);
      if (Source::slab_bytes + room * sizeof(void*) > left) return false;
      void* const raw = ::operator new(room * sizeof(void*), std::nothrow);
      if (raw == nullptr) return false;
      if (slab_count_ != 0) std::memcpy(raw, slabs_, slab_count_ * sizeof(void*));
      ::operator delete(slabs_);
      slabs_ = static_cast<std::byte**>(raw);
      slab_room_ = room;
    }
    auto* const slab = static_cast<std::byte*>(Source::take_slab(huge_pages_));
    if (slab == nullptr) return false;
    slabs_[slab_count_++] = slab;
    uncut_ = Source::slab_bytes / piece_bytes;
    return true;
  }

  std::byte* spare_ = nullptr;  // chunks to be filled next, each pointing to another
  std::byte** slabs_ = nullptr;
  std::size_t slab_count_ = 0;
  std::size_t slab_room_ = 0;
  std::size_t uncut_ = 0;     // pieces of the last slab
  std::uint64_t chunks_ = 0;  // that are no pieces of slabs
  std::uint64_t directory_bytes_ = 0;
  bool huge_pages_;
};

}  // namespace idem::inline IDEM_ABI::detail

// Judges the TCP segments of a packet capture by their sequence numbers. See scripts/capture.

#include <algorithm>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <idem/sequence/producer_tracker.hpp>

#include "pcap.hpp"

namespace capture {
namespace {

using Flow = std::pair<Endpoint, Endpoint>;  // from, to

// TCP counts bytes modulo 2^32, and a tracker's modulus is 2^31 at most: numbers are continued
// beyond 2^32 by taking each for the nearest to the one before, and counted from the connection's
// first byte.
class Numbers {
 public:
  void start(std::uint32_t first, std::int64_t as) {
    last_ = first;
    unwrapped_ = as;
  }
  std::int64_t operator()(std::uint32_t number) {
    unwrapped_ += static_cast<std::int32_t>(number - last_);
    last_ = number;
    return unwrapped_;
  }

 private:
  std::uint32_t last_ = 0;
  std::int64_t unwrapped_ = 0;
};

// One direction between two endpoints: a producer. Its connections, one after the other, are its
// epochs.
struct Sender {
  std::int64_t id = 0;
  std::int32_t epoch = 0;
  bool sent = false;  // anything in this epoch
  std::optional<std::uint32_t> initial{};
  Numbers numbers{};
};

// What a set remembers of everything, to judge the tracker by; knows no idem.
struct Truth {
  std::set<std::tuple<Flow, std::uint32_t, std::uint32_t>> seen;
  std::set<std::tuple<std::int64_t, std::int32_t, std::int64_t, std::int64_t>> seen_in_epoch;
  std::map<Flow, std::uint32_t> highest;
  std::set<std::pair<std::int64_t, std::int32_t>> epochs;
};

struct Figures {
  std::uint64_t payload = 0;
  std::uint64_t repeats = 0;
  std::uint64_t first_below_highest = 0;
  std::uint64_t saved = 0;  // of those, what the tracker calls fresh
  std::map<std::string_view, std::uint64_t> verdicts{};
  std::map<std::string_view, std::uint64_t> verdicts_on_repeats{};
  std::uint64_t dropped = 0;  // first-seen and called duplicate
  std::uint64_t missed = 0;   // repeats called fresh
};

class Judge {
 public:
  void judge(const Segment& segment);
  void print(const Capture& capture) const;
  bool wrong() const { return figures_.dropped != 0 || figures_.missed != 0; }

 private:
  Sender& sender(const Flow& flow) {
    const auto [place, added] = senders_.try_emplace(flow);
    if (added) place->second.id = static_cast<std::int64_t>(senders_.size());
    return place->second;
  }
  void follow_connections(const Segment& segment, Sender& from, Sender& to);
  void judge_payload(const Segment& segment, Sender& from);

  idem::Strict64Tracker tracker_;
  std::map<Flow, Sender> senders_;
  std::int64_t offset_ = 0;
  Truth truth_;
  Figures figures_;
};

// A SYN that opens a connection between endpoints which had one before: a higher epoch for both.
void Judge::follow_connections(const Segment& segment, Sender& from, Sender& to) {
  if (segment.syn) {
    if (!segment.ack && from.sent && from.initial != segment.sequence) {
      for (Sender* const side : {&from, &to}) {
        if (!side->sent) continue;
        ++side->epoch;
        side->sent = false;
        side->initial.reset();
      }
    }
    if (from.initial != segment.sequence) {
      from.initial = segment.sequence;
      from.numbers.start(segment.sequence + 1, 0);  // a SYN takes one number
    }
  } else if (!from.sent && !from.initial) {
    // The capture began later than the connection.
    from.numbers.start(segment.sequence, std::int64_t{1} << 32);
  }
  from.sent = true;
  truth_.epochs.emplace(from.id, from.epoch);
}

void Judge::judge(const Segment& segment) {
  Sender& from = sender({segment.from, segment.to});
  Sender& to = sender({segment.to, segment.from});
  follow_connections(segment, from, to);
  if (segment.length != 0) judge_payload(segment, from);
}

void Judge::judge_payload(const Segment& segment, Sender& from) {
  ++figures_.payload;
  const std::int64_t length = segment.length;
  const std::int64_t first = from.numbers(segment.sequence + (segment.syn ? 1 : 0));
  idem::ProducerBatch batch{.producer_id = from.id,
                            .epoch = from.epoch,
                            .first_sequence = first,
                            .last_sequence = first + length - 1};

  // The truth.
  const Flow flow{segment.from, segment.to};
  const bool repeat = !truth_.seen.emplace(flow, segment.sequence, segment.length).second;
  const bool repeat_in_epoch =
      !truth_.seen_in_epoch.emplace(from.id, from.epoch, first, length).second;
  const auto highest = truth_.highest.find(flow);
  const std::uint32_t end = segment.sequence + segment.length;
  const bool below = highest != truth_.highest.end() &&
                     static_cast<std::int32_t>(segment.sequence - highest->second) < 0;
  if (highest == truth_.highest.end()) {
    truth_.highest.emplace(flow, end);
  } else if (static_cast<std::int32_t>(end - highest->second) > 0) {
    highest->second = end;
  }
  if (repeat) ++figures_.repeats;
  if (!repeat && below) ++figures_.first_below_highest;

  // The tracker.
  const idem::OffsetRange offsets{offset_, offset_ + length - 1};
  const idem::Judgement judgement = tracker_.append(batch, offsets, idem::Instant{});
  ++figures_.verdicts[idem::name(judgement.verdict)];
  if (repeat) ++figures_.verdicts_on_repeats[idem::name(judgement.verdict)];
  if (judgement.verdict == idem::Verdict::duplicate && !repeat_in_epoch) ++figures_.dropped;
  if (judgement.verdict == idem::Verdict::fresh && repeat_in_epoch) ++figures_.missed;
  if (judgement.verdict == idem::Verdict::fresh && !repeat && below) ++figures_.saved;
  if (judgement.verdict == idem::Verdict::fresh) {
    offset_ += length;
  } else if (judgement.verdict == idem::Verdict::gap) {
    // What is missing was never captured: the log goes on behind it, and the tracker follows.
    batch.origin = idem::AppendOrigin::replication;
    if (tracker_.append(batch, offsets, idem::Instant{}).verdict != idem::Verdict::fresh) {
      throw std::runtime_error("the tracker does not follow the log");
    }
    offset_ += length;
  }
}

void Judge::print(const Capture& capture) const {
  const auto figure = [](std::string_view what, std::uint64_t number) {
    std::cout << what << ' ' << number << '\n';
  };
  figure("frames", capture.frames);
  figure("malformed", capture.malformed);
  figure("tcp_segments", capture.segments.size());
  std::set<Flow> flows;
  for (const Segment& segment : capture.segments) flows.emplace(segment.from, segment.to);
  figure("flows", flows.size());
  figure("connections_by_direction", truth_.epochs.size());
  figure("payload_segments", figures_.payload);
  figure("exact_repeats", figures_.repeats);
  figure("first_seen_below_highest", figures_.first_below_highest);
  figure("of_these_fresh", figures_.saved);
  for (const auto& [verdict, count] : figures_.verdicts) {
    figure("verdict_" + std::string(verdict), count);
  }
  for (const auto& [verdict, count] : figures_.verdicts_on_repeats) {
    figure("on_repeats_" + std::string(verdict), count);
  }
  figure("first_seen_called_duplicate", figures_.dropped);
  figure("repeats_called_fresh", figures_.missed);
  figure("producers", tracker_.size());
  figure("memory_bytes", tracker_.memory_bytes());
}

std::string text(const Endpoint& endpoint) {
  std::string text;
  for (std::size_t i = 0; i < (endpoint.is_ipv6 ? 16 : 4); ++i) {
    if (i != 0) text += '.';
    text += std::to_string(endpoint.address[i]);
  }
  return text + ' ' + std::to_string(endpoint.port);
}

// A line each, for comparison with another reader.
void print_segments(const Capture& capture) {
  for (const Segment& segment : capture.segments) {
    std::cout << segment.frame << ' ' << text(segment.from) << ' ' << text(segment.to) << ' '
              << segment.sequence << ' ' << segment.length << '\n';
  }
}

int run(const std::string& path, bool only_segments) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw std::runtime_error("cannot read " + path);
  const std::vector<char> file{std::istreambuf_iterator<char>(stream), {}};
  const auto capture = read_pcap(std::as_bytes(std::span(file)));
  if (!capture) {
    throw std::runtime_error(path + ": no " + std::string(capture.error().what) + " at byte " +
                             std::to_string(capture.error().position));
  }
  if (only_segments) {
    print_segments(*capture);
    return 0;
  }
  Judge judge;
  for (const Segment& segment : capture->segments) judge.judge(segment);
  judge.print(*capture);
  return judge.wrong() ? 1 : 0;
}

}  // namespace
}  // namespace capture

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  const bool only_segments = !arguments.empty() && arguments[0] == "--segments";
  if (arguments.size() != (only_segments ? 2u : 1u)) {
    std::cerr << "usage: capture [--segments] FILE.pcap\n";
    return 2;
  }
  try {
    return capture::run(arguments.back(), only_segments);
  } catch (const std::exception& error) {
    std::cerr << "capture: " << error.what() << '\n';
    return 2;
  }
}

# Makes a git repository of a checkout of idem as it is, with the tag of its version.
#
#   cmake -DGIT=PROGRAM -DSOURCE=DIR -DREPOSITORY=DIR -DTAG=TAG -P tagged.cmake

file(REMOVE_RECURSE "${REPOSITORY}")
file(MAKE_DIRECTORY "${REPOSITORY}")
foreach(name IN ITEMS CMakeLists.txt LICENSE cmake include share)
  file(COPY "${SOURCE}/${name}" DESTINATION "${REPOSITORY}")
endforeach()

function(git)
  execute_process(COMMAND "${GIT}" -c user.name=idem -c user.email=idem@localhost -c commit.gpgsign=false -c core.hooksPath=/dev/null
    ${ARGV} WORKING_DIRECTORY "${REPOSITORY}" OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
endfunction()
git(init --quiet)
git(add .)
git(commit --quiet --message "A release")
git(tag ${TAG})
# What comes after the tag must not be what is fetched.
file(WRITE "${REPOSITORY}/CMakeLists.txt" "message(FATAL_ERROR \"this is not the release\")\n")
git(commit --quiet --all --message "After it")

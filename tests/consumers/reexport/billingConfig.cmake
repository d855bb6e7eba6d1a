include(CMakeFindDependencyMacro)
find_dependency(idem COMPONENTS abseil)
include("${CMAKE_CURRENT_LIST_DIR}/billingTargets.cmake")

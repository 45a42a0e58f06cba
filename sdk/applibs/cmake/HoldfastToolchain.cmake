# Builds a CMake project of Azure Sphere's for Holdfast, unchanged:
#
#   cmake -B out -DCMAKE_TOOLCHAIN_FILE=…/sdk/applibs/cmake/HoldfastToolchain.cmake -DHOLDFAST_BOARD=…/boards/my-board.json
#   cmake --build out
#
# The compiler is this machine's, or what CC and CMAKE_C_COMPILER say. Once the project is begun, the SDK's functions are there.
get_property(is_probe GLOBAL PROPERTY IN_TRY_COMPILE)
if(is_probe)
  # CMake tries the compiler out by a project of its own, which is no app.
  return()
endif()
# Line tables, by which `holdfast app crash show` names functions and lines; a bundle gets the program without them.
set(CMAKE_C_FLAGS_INIT "-g1")
set(CMAKE_CXX_FLAGS_INIT "-g1")
set(CMAKE_PROJECT_INCLUDE "${CMAKE_CURRENT_LIST_DIR}/HoldfastApplibs.cmake")

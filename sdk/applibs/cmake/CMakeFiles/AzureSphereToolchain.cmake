# Where CMakePresets.json of Azure Sphere's projects looks for a toolchain: AzureSphereDefaultSDKDir=…/sdk/applibs/cmake.
include("${CMAKE_CURRENT_LIST_DIR}/../HoldfastToolchain.cmake")

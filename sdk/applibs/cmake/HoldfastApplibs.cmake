# What stands in for the functions and libraries of Azure Sphere's SDK. Included by the toolchain file behind each project().
#
#   HOLDFAST_BOARD    board file: the names in it are the numbers of <hw/NAME.h>
#   HOLDFAST_CLI      the program `holdfast`
#   HOLDFAST_KEYS     folder with the keys that bundles are signed with; the environment variable of this name does as well
#   HOLDFAST_UNSIGNED leave bundles unsigned: `holdfast app build` packs what was built itself
#   HOLDFAST_DYNAMIC  link the C library at start, and pack it and the loader with the app: for libraries that have no static archive
include_guard(GLOBAL)

if(CMAKE_VERSION VERSION_LESS 3.19)
  message(FATAL_ERROR "CMake ${CMAKE_VERSION} cannot read an app manifest: 3.19 can")
endif()

set(HOLDFAST_BOARD "" CACHE FILEPATH "Board file of the device")
set(HOLDFAST_KEYS "$ENV{HOLDFAST_KEYS}" CACHE PATH "Folder with the keys (`holdfast keys init`)")
option(HOLDFAST_DYNAMIC "Link the C library at start" OFF)
option(HOLDFAST_UNSIGNED "Leave bundles unsigned" OFF)
find_program(HOLDFAST_CLI holdfast DOC "Holdfast's program for developers")
find_library(HOLDFAST_JANSSON NAMES libjansson.a DOC "JSON library (Debian: libjansson-dev)")

if(NOT CMAKE_STRIP)
  message(FATAL_ERROR "`strip` is not here (Debian: binutils); give it with -DCMAKE_STRIP=…")
endif()

function(_holdfast_cli)
  if(NOT HOLDFAST_CLI)
    message(FATAL_ERROR "the program `holdfast` is not in PATH: give it with -DHOLDFAST_CLI=…")
  endif()
endfunction()

# The library, made with the app's compiler. Apps link it by its name, as they linked the SDK's.
function(_holdfast_library)
  if(NOT HOLDFAST_JANSSON)
    message(FATAL_ERROR "libjansson.a is not here (Debian: libjansson-dev); give it with -DHOLDFAST_JANSSON=…")
  endif()
  get_filename_component(folder "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/.." ABSOLUTE)
  file(GLOB sources CONFIGURE_DEPENDS "${folder}/src/*.c")
  add_library(applibs STATIC EXCLUDE_FROM_ALL ${sources})
  target_include_directories(applibs PUBLIC "${folder}/include")
  target_compile_definitions(applibs PRIVATE _GNU_SOURCE)
  # The build id is a digest of the symbols too: without this machine's paths it is the same wherever the app is built.
  target_compile_options(applibs PUBLIC -fPIE "-ffile-prefix-map=${CMAKE_SOURCE_DIR}=." "-ffile-prefix-map=${folder}=applibs")
  set_target_properties(applibs PROPERTIES C_STANDARD 11 C_EXTENSIONS OFF)
  target_link_libraries(applibs INTERFACE "${HOLDFAST_JANSSON}")
  # An app sets no clock; clock_settime() asks the device for it (applibs/rtc.h).
  target_link_options(applibs INTERFACE -Wl,-z,relro,-z,now -Wl,--build-id=sha1 -Wl,--wrap=clock_settime)
  if(HOLDFAST_DYNAMIC)
    target_link_options(applibs INTERFACE -pie)
  else()
    target_link_options(applibs INTERFACE -static-pie)
    # Projects of the SDK name it, and it has no static archive: a static program has libgcc_eh instead.
    add_library(gcc_s INTERFACE IMPORTED GLOBAL)
  endif()
endfunction()
_holdfast_library()

# The SDK's revision and the set of its interfaces: there is one of each here.
function(azsphere_configure_tools)
endfunction()

function(azsphere_configure_api)
endfunction()

# azsphere_target_hardware_definition(TARGET TARGET_DIRECTORY DIR… TARGET_DEFINITION NAME.json): <hw/NAME.h> of the board file. The
# definition itself is for the MT3620 and is not read; `holdfast board import` makes a board file of it.
function(azsphere_target_hardware_definition target)
  cmake_parse_arguments(PARSE_ARGV 1 argument "" "TARGET_DEFINITION" "TARGET_DIRECTORY")
  _holdfast_cli()
  if(NOT argument_TARGET_DEFINITION)
    message(FATAL_ERROR "azsphere_target_hardware_definition: TARGET_DEFINITION is missing")
  endif()
  if(NOT HOLDFAST_BOARD)
    message(FATAL_ERROR "no board file: give it with -DHOLDFAST_BOARD=boards/my-board.json; with the names of this definition, "
                        "`holdfast board import ${argument_TARGET_DEFINITION} --board … --out …` makes it")
  endif()
  get_filename_component(board "${HOLDFAST_BOARD}" ABSOLUTE BASE_DIR "${CMAKE_BINARY_DIR}")
  get_filename_component(name "${argument_TARGET_DEFINITION}" NAME_WE)
  set(folder "${CMAKE_CURRENT_BINARY_DIR}/${target}-inc")
  file(MAKE_DIRECTORY "${folder}/hw")
  add_custom_command(
    OUTPUT "${folder}/hw/${name}.h"
    COMMAND "${HOLDFAST_CLI}" board header "${board}" --out "${folder}/hw/${name}.h"
    DEPENDS "${board}"
    VERBATIM)
  add_custom_target(${target}-hw DEPENDS "${folder}/hw/${name}.h")
  add_dependencies(${target} ${target}-hw)
  target_include_directories(${target} BEFORE PRIVATE "${folder}")
endfunction()

# Makes TARGET.bundle whenever what goes into it has changed: packed are the words behind `holdfast app pack`.
function(_holdfast_bundle target)
  cmake_parse_arguments(PARSE_ARGV 1 argument "" "" "BEFORE;PACKED;DEPENDS")
  set(bundle "${CMAKE_CURRENT_BINARY_DIR}/${target}.bundle")
  set(keys)
  if(HOLDFAST_KEYS)
    set(keys --keys "${HOLDFAST_KEYS}")
  endif()
  set(signed)
  if(HOLDFAST_UNSIGNED)
    set(signed --unsigned)
  endif()
  add_custom_command(
    OUTPUT "${bundle}"
    ${argument_BEFORE}
    COMMAND "${HOLDFAST_CLI}" ${keys} app pack ${argument_PACKED} ${signed} -o "${bundle}"
    DEPENDS ${target} "${CMAKE_CURRENT_SOURCE_DIR}/app_manifest.json" ${argument_DEPENDS}
    VERBATIM)
  add_custom_target(${target}-bundle ALL DEPENDS "${bundle}")
endfunction()

# azsphere_target_add_image_package(TARGET [RESOURCE_FILES FILE…]): TARGET.bundle, which `holdfast app deploy` takes. The program in
# it is stripped; TARGET itself is the one with the symbols.
function(azsphere_target_add_image_package target)
  cmake_parse_arguments(PARSE_ARGV 1 argument "" "" "RESOURCE_FILES")
  _holdfast_cli()
  set(manifest "${CMAKE_CURRENT_SOURCE_DIR}/app_manifest.json")
  if(HOLDFAST_DYNAMIC)
    if(argument_RESOURCE_FILES)
      message(FATAL_ERROR "RESOURCE_FILES are packed with static programs alone: without -DHOLDFAST_DYNAMIC")
    endif()
    set(stripped "${CMAKE_CURRENT_BINARY_DIR}/${target}-stripped")
    _holdfast_bundle(${target}
      BEFORE COMMAND "${CMAKE_STRIP}" -o "${stripped}" "$<TARGET_FILE:${target}>"
      PACKED --binary "${stripped}" --manifest "${manifest}")
    return()
  endif()
  file(READ "${manifest}" text)
  string(JSON entry_point GET "${text}" EntryPoint)
  set(root "${CMAKE_CURRENT_BINARY_DIR}/${target}-root")
  get_filename_component(place "${root}${entry_point}" DIRECTORY)
  set(copies
    COMMAND "${CMAKE_COMMAND}" -E rm -rf "${root}"
    COMMAND "${CMAKE_COMMAND}" -E make_directory "${place}"
    COMMAND "${CMAKE_STRIP}" -o "${root}${entry_point}" "$<TARGET_FILE:${target}>"
    COMMAND "${CMAKE_COMMAND}" -E copy "${manifest}" "${root}/app_manifest.json")
  set(resources)
  foreach(resource IN LISTS argument_RESOURCE_FILES)
    get_filename_component(into "${root}/${resource}" DIRECTORY)
    list(APPEND resources "${CMAKE_CURRENT_SOURCE_DIR}/${resource}")
    list(APPEND copies
      COMMAND "${CMAKE_COMMAND}" -E make_directory "${into}"
      COMMAND "${CMAKE_COMMAND}" -E copy "${CMAKE_CURRENT_SOURCE_DIR}/${resource}" "${root}/${resource}")
  endforeach()
  _holdfast_bundle(${target} BEFORE ${copies} PACKED "${root}" DEPENDS ${resources})
endfunction()

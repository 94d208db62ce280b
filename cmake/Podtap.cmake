# SPDX-License-Identifier: Apache-2.0
# podtap_library(NAME [LINK ...] [PRIVATE_LINK ...]): one static library of all .cc files of the calling folder. What it may
# include shows in LINK, so a wrong include becomes a visible change here.
function(podtap_library name)
  cmake_parse_arguments(ARG "" "" "LINK;PRIVATE_LINK;EXCLUDE" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  foreach(file ${ARG_EXCLUDE})
    list(REMOVE_ITEM sources ${CMAKE_CURRENT_SOURCE_DIR}/${file})
  endforeach()
  if(sources)
    add_library(${name} STATIC ${sources})
    target_link_libraries(${name} PUBLIC ${ARG_LINK} PRIVATE ${ARG_PRIVATE_LINK})
  else()
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE ${ARG_LINK})
  endif()
endfunction()

# What every unit test includes, compiled once for all of them.
function(podtap_test_headers)
  file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/test_headers.cc "// The library needs a source.\n")
  add_library(podtap_test_headers STATIC ${CMAKE_CURRENT_BINARY_DIR}/test_headers.cc)
  target_link_libraries(podtap_test_headers PRIVATE podtap_base GTest::gmock)
  podtap_test_options(podtap_test_headers)
  target_precompile_headers(podtap_test_headers PRIVATE <gmock/gmock.h> <gtest/gtest.h> <algorithm> <array> <functional>
    <memory> <optional> <span> <string> <string_view> <unordered_map> <variant> <vector>)
endfunction()

# Tests run for seconds and are compiled for minutes: no more optimisation than keeps the warnings that need it.
function(podtap_test_options name)
  target_compile_options(${name} PRIVATE $<$<CONFIG:RelWithDebInfo>:-O1>)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # g++ 12 reports false positives of these in std::string where headers are precompiled.
    target_compile_options(${name} PRIVATE -Wno-array-bounds -Wno-stringop-overflow)
  endif()
endfunction()

# podtap_unit_test(NAME LINK libs): a gtest program of all *_test.cc of the calling folder, known to ctest.
function(podtap_unit_test name)
  cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  if(NOT sources)
    return()
  endif()
  add_executable(${name} ${sources})
  target_link_libraries(${name} PRIVATE ${ARG_LINK} GTest::gmock GTest::gtest_main)
  podtap_test_options(${name})
  target_precompile_headers(${name} REUSE_FROM podtap_test_headers)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS unit WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
endfunction()

# podtap_fuzzer(NAME LINK libs): tests/fuzz/NAME.cc as a libFuzzer program; its corpus is tests/fuzz/corpus/NAME.
function(podtap_fuzzer name)
  cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
  add_executable(${name} ${name}.cc)
  target_link_libraries(${name} PRIVATE ${ARG_LINK})
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
  if(NOT TARGET fuzzers)
    add_custom_target(fuzzers)
  endif()
  add_dependencies(fuzzers ${name})
endfunction()

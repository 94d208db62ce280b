# SPDX-License-Identifier: Apache-2.0
# bpf_object(packet_capture) compiles packet_capture.bpf.c of the calling folder with clang into a BPF object, makes its
# libbpf skeleton and offers both as the interface library packet_capture_skel (header: packet_capture.skel.h).
find_program(BPF_CLANG NAMES clang-19 clang REQUIRED)
find_program(BPF_STRIP NAMES llvm-strip-19 llvm-strip REQUIRED)
find_program(BPFTOOL NAMES bpftool PATHS /usr/sbin /usr/local/sbin REQUIRED)

# The uapi headers' asm/ folder of the machine that builds; BPF bytecode itself is the same for every processor.
# (clang does not know -print-multiarch; CMake has found the folder either way.)
set(BPF_MULTIARCH ${CMAKE_LIBRARY_ARCHITECTURE})
if(NOT BPF_MULTIARCH)
  execute_process(COMMAND ${CMAKE_C_COMPILER} -print-multiarch OUTPUT_VARIABLE BPF_MULTIARCH OUTPUT_STRIP_TRAILING_WHITESPACE)
endif()

function(bpf_object name)
  set(source ${CMAKE_CURRENT_SOURCE_DIR}/${name}.bpf.c)
  set(object ${CMAKE_CURRENT_BINARY_DIR}/${name}.bpf.o)
  set(skeleton ${CMAKE_CURRENT_BINARY_DIR}/${name}.skel.h)
  add_custom_command(
    OUTPUT ${object}
    COMMAND ${BPF_CLANG} -target bpf -mcpu=v2 -O2 -g -std=gnu11 -Wall -Wextra -Werror -Wno-unused-parameter
            -fdebug-prefix-map=${CMAKE_SOURCE_DIR}=. -I${CMAKE_SOURCE_DIR} -I/usr/include/${BPF_MULTIARCH}
            -MD -MF ${object}.d -MT ${object} -c ${source} -o ${object}
    COMMAND ${BPF_STRIP} -g ${object}
    DEPENDS ${source} DEPFILE ${object}.d
    COMMENT "BPF ${name}" VERBATIM)
  add_custom_command(
    OUTPUT ${skeleton}
    COMMAND sh -c "'${BPFTOOL}' gen skeleton '${object}' name '${name}' > '${skeleton}'"
    DEPENDS ${object} COMMENT "BPF skeleton ${name}" VERBATIM)
  add_custom_target(${name}_skel_files DEPENDS ${skeleton})
  add_library(${name}_skel INTERFACE)
  add_dependencies(${name}_skel ${name}_skel_files)
  target_include_directories(${name}_skel SYSTEM INTERFACE ${CMAKE_CURRENT_BINARY_DIR})
  target_link_libraries(${name}_skel INTERFACE PkgConfig::LIBBPF)
endfunction()

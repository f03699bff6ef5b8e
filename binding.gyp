{
  # Links the Go engine, which the Makefile builds first, into the addon.
  "targets": [{
    "target_name": "alknet",
    "sources": ["binding/addon.cc", "binding/environment.cc", "binding/pin.cc", "binding/signals.cc"],
    "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
    "defines": [
      "NAPI_VERSION=8",
      "NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS",
      "NODE_ADDON_API_ENABLE_MAYBE",
      # node-addon-api ends the process where it cannot throw: in a worker that is
      # being terminated.
      "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS",
      "NODE_API_NO_EXTERNAL_BUFFERS_ALLOWED"
    ],
    "cflags_cc": ["-std=c++17", "-Wall", "-Wextra", "-fvisibility=hidden", "-fno-exceptions"],
    "libraries": ["<(module_root_dir)/build/engine/libalknet.a"],
    "conditions": [
      ["OS=='linux'", {
        "cflags!": ["-O3"],
        "cflags": ["-O2", "-include <(module_root_dir)/binding/glibc.h"],
        "ldflags": ["-Wl,-z,nodelete", "-Wl,-Bsymbolic", "-Wl,--version-script=<(module_root_dir)/binding/exports.map", "-Wl,-s"],
        "libraries": ["-lpthread", "-ldl", "-lresolv"]
      }],
      ["OS=='mac'", {"libraries": ["-framework CoreFoundation", "-framework Security", "-lresolv"]}]
    ]
  }]
}

{
  "targets": [
    {
      "target_name": "millrace",
      "sources": [
        "src/addon.cc",
        "src/classifier.cc",
        "src/slopes.cc",
        "src/avx512.cc",
        "src/avx2.cc",
        "src/portable.cc"
      ],
      "cflags_cc!": ["-fno-exceptions", "-fno-rtti", "-std=gnu++17", "-std=gnu++20"],
      # GCC 12 warns about vectors that its own headers leave undefined on purpose.
      "cflags_cc": ["-std=c++17", "-O3", "-fexceptions", "-fvisibility=hidden", "-Wno-psabi", "-Wno-maybe-uninitialized", "-Wno-uninitialized"],
      "ldflags": ["-Wl,--as-needed"],
      "xcode_settings": {
        "CLANG_CXX_LANGUAGE_STANDARD": "c++17",
        "GCC_ENABLE_CPP_EXCEPTIONS": "YES",
        "GCC_OPTIMIZATION_LEVEL": "3",
        "GCC_SYMBOLS_PRIVATE_EXTERN": "YES",
        "MACOSX_DEPLOYMENT_TARGET": "11.0"
      }
    }
  ]
}

{
  'variables': {
    # address or undefined: `node scripts/build.mjs --sanitize address`
    'sanitize%': '',
    'werror%': 'true',
    # true: what is built needs nothing of the system but its C library (tools/packing/). The compiler's own
    # libraries are then in each file, and hidden, so that none meets those of Node.js.
    'portable%': 'false',
  },
  'target_defaults': {
    'conditions': [
      ['portable=="true"', {
        'ldflags': ['-static-libstdc++', '-static-libgcc', '-Wl,--exclude-libs,ALL', '-s'],
      }],
    ],
  },
  'targets': [
    {
      'target_name': 'criu_native',
      # No CRIU header or library is needed to build: libcriu.so.2 is loaded at run time.
      'sources': ['<!@(node -p "require(\'./native/sources.json\').criu_native.map((name) => \'native/\' + name).join(\' \')")'],
      'include_dirs': ['native'],
      'dependencies': ['<!(node -p "require(\'node-addon-api\').targets"):node_addon_api_except_all'],
      'defines': [
        'NAPI_VERSION=9',
        'NODE_ADDON_API_DISABLE_DEPRECATED',
        'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS',
      ],
      'cflags_cc!': ['-std=gnu++17', '-fno-rtti'],
      'cflags_cc': [
        '-std=c++20',
        '-Wall',
        '-Wextra',
        '-fvisibility=hidden',
        '-fstack-protector-strong',
      ],
      # nodelete: a thread of ours may outlive the environment (a terminated worker) that loaded
      # the addon, and its code must not be unmapped under it.
      'ldflags': ['-Wl,-z,relro,-z,now', '-Wl,-z,nodelete'],
      'libraries': ['-ldl'],
      'configurations': {
        'Debug': {'defines': ['NODE_ADDON_API_ENABLE_TYPE_CHECK_ON_AS']},
      },
      'conditions': [
        ['OS!="linux"', {'type': 'none'}],
        # Off in an installed package, where a newer compiler's new warning must not stop the build.
        ['werror=="true"', {'cflags_cc': ['-Werror']}],
        ['sanitize!=""', {
          'cflags_cc': ['-fsanitize=<(sanitize)', '-fno-omit-frame-pointer', '-g'],
          'ldflags': ['-fsanitize=<(sanitize)'],
        }],
      ],
    },
    {
      # The process that thaws what we froze, should Node be killed: native/rollback/guard.h.
      'target_name': 'criu_guard',
      'type': 'executable',
      'include_dirs': ['native'],
      'sources': ['<!@(node -p "require(\'./native/sources.json\').criu_guard.map((name) => \'native/\' + name).join(\' \')")'],
      'cflags_cc!': ['-std=gnu++17', '-fno-rtti', '-fno-exceptions'],
      'cflags_cc': ['-std=c++20', '-Wall', '-Wextra', '-fstack-protector-strong'],
      'ldflags': ['-Wl,-z,relro,-z,now'],
      'conditions': [
        ['OS!="linux"', {'type': 'none'}],
        ['werror=="true"', {'cflags_cc': ['-Werror']}],
      ],
    },
    {
      # Starts the criu that dumps ourselves: native/programs/detach/main.cc.
      'target_name': 'criu_detach',
      'type': 'executable',
      'sources': ['<!@(node -p "require(\'./native/sources.json\').criu_detach.map((name) => \'native/\' + name).join(\' \')")'],
      'cflags_cc!': ['-std=gnu++17', '-fno-rtti'],
      'cflags_cc': ['-std=c++20', '-Wall', '-Wextra', '-fstack-protector-strong'],
      'ldflags': ['-Wl,-z,relro,-z,now'],
      'conditions': [
        ['OS!="linux"', {'type': 'none'}],
        ['werror=="true"', {'cflags_cc': ['-Werror']}],
      ],
    },
    {
      # The criu that comes first in the PATH of a container runtime: native/programs/front/main.cc. It
      # has a directory of its own, because everything in that directory comes first.
      'target_name': 'criu_front',
      'product_name': 'criu',
      'product_dir': '<(PRODUCT_DIR)/criu-first',
      'type': 'executable',
      'sources': ['<!@(node -p "require(\'./native/sources.json\').criu_front.map((name) => \'native/\' + name).join(\' \')")'],
      'cflags_cc!': ['-std=gnu++17', '-fno-rtti'],
      'cflags_cc': ['-std=c++20', '-Wall', '-Wextra', '-fstack-protector-strong'],
      # It starts faster without the libraries that it does not use.
      'ldflags!': ['-rdynamic'],
      'ldflags': ['-Wl,-z,relro,-z,now', '-Wl,--as-needed'],
      'conditions': [
        ['OS!="linux"', {'type': 'none'}],
        ['werror=="true"', {'cflags_cc': ['-Werror']}],
      ],
    },
    {
      # The first process in the pid namespace of a clone: native/programs/init/main.cc.
      'target_name': 'criu_init',
      'type': 'executable',
      'variables': {
        # An absolute path where the system has it, else the name as it is.
        'static_libc%': '<!(${CXX:-c++} -print-file-name=libc.a)',
      },
      'include_dirs': ['native'],
      'sources': ['<!@(node -p "require(\'./native/sources.json\').criu_init.map((name) => \'native/\' + name).join(\' \')")'],
      'cflags_cc!': ['-std=gnu++17'],
      'cflags_cc': ['-std=c++20', '-Wall', '-Wextra', '-fstack-protector-strong'],
      # It offers nothing to libraries.
      'ldflags!': ['-rdynamic'],
      'ldflags': ['-Wl,-z,relro,-z,now'],
      'conditions': [
        ['OS!="linux"', {'type': 'none'}],
        ['werror=="true"', {'cflags_cc': ['-Werror']}],
        # Each clone has one of its own, which starts sooner and takes less memory without libraries.
        ['static_libc!="libc.a"', {'ldflags': ['-static', '-Wl,--eh-frame-hdr']}],
      ],
    },
    {
      # Archives the files of a container while it stands still: native/programs/layer/main.cc.
      'target_name': 'criu_layer',
      'type': 'executable',
      'include_dirs': ['native'],
      'sources': ['<!@(node -p "require(\'./native/sources.json\').criu_layer.map((name) => \'native/\' + name).join(\' \')")'],
      'cflags_cc!': ['-std=gnu++17', '-fno-rtti', '-fno-exceptions'],
      'cflags_cc': ['-std=c++20', '-Wall', '-Wextra', '-fstack-protector-strong'],
      'ldflags': ['-Wl,-z,relro,-z,now'],
      'conditions': [
        ['OS!="linux"', {'type': 'none'}],
        ['werror=="true"', {'cflags_cc': ['-Werror']}],
      ],
    },
    {
      # Preloaded into a Node.js that is to be checkpointed: native/programs/preload/no_io_uring.cc.
      'target_name': 'criu_no_io_uring',
      'includes': ['native/programs/preload/preload.gypi'],
      'sources': ['<!@(node -p "require(\'./native/sources.json\').criu_no_io_uring.map((name) => \'native/\' + name).join(\' \')")'],
    },
    {
      # Preloaded into criu: native/programs/preload/empty_tables.cc.
      'target_name': 'criu_empty_tables',
      'includes': ['native/programs/preload/preload.gypi'],
      'sources': ['<!@(node -p "require(\'./native/sources.json\').criu_empty_tables.map((name) => \'native/\' + name).join(\' \')")'],
    },
    {
      # Preloaded into criu: native/programs/preload/parallel_pages.cc.
      'target_name': 'criu_parallel_pages',
      'includes': ['native/programs/preload/preload.gypi'],
      'sources': ['<!@(node -p "require(\'./native/sources.json\').criu_parallel_pages.map((name) => \'native/\' + name).join(\' \')")'],
    },
    {
      # Preloaded into criu: native/programs/preload/tar_in_place.cc.
      'target_name': 'criu_tar_in_place',
      'includes': ['native/programs/preload/preload.gypi'],
      'variables': {
        'static_libstdcxx%': '<!(${CXX:-c++} -print-file-name=libstdc++.a)',
      },
      'sources': ['<!@(node -p "require(\'./native/sources.json\').criu_tar_in_place.map((name) => \'native/\' + name).join(\' \')")'],
      'cflags_cc!': ['-fno-exceptions'],
      'ldflags': ['-Wl,--version-script=<(module_root_dir)/native/programs/preload/tar_in_place.map'],
      'conditions': [
        ['static_libstdcxx!="libstdc++.a"', {'ldflags': ['-static-libstdc++', '-static-libgcc']}],
      ],
    },
    {
      # The tar that comes first in the PATH of criu: native/programs/tar/main.cc. It has a directory
      # of its own, because everything in that directory comes first.
      'target_name': 'criu_tar',
      'product_name': 'tar',
      'product_dir': '<(PRODUCT_DIR)/tar-first',
      'type': 'executable',
      'variables': {
        # An absolute path where the compiler has it, else the name as it is.
        'static_libstdcxx%': '<!(${CXX:-c++} -print-file-name=libstdc++.a)',
      },
      'include_dirs': ['native'],
      'sources': ['<!@(node -p "require(\'./native/sources.json\').criu_tar.map((name) => \'native/\' + name).join(\' \')")'],
      'cflags_cc!': ['-std=gnu++17', '-fno-rtti', '-fno-exceptions'],
      'cflags_cc': ['-std=c++20', '-Wall', '-Wextra', '-fstack-protector-strong'],
      # Without the addon's symbols: it loads one library by name and offers nothing.
      'ldflags!': ['-rdynamic'],
      'ldflags': ['-Wl,-z,relro,-z,now'],
      'libraries': ['-ldl'],
      'conditions': [
        ['OS!="linux"', {'type': 'none'}],
        ['werror=="true"', {'cflags_cc': ['-Werror']}],
        # Half of the time that it takes to start would go into loading a shared libstdc++.
        ['static_libstdcxx!="libstdc++.a"', {'ldflags': ['-static-libstdc++', '-static-libgcc']}],
      ],
    },
  ],
}

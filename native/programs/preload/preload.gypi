# What the libraries that are preloaded into other programs have in common.
{
  # In place of an addon's, which Node's own settings make of a module.
  'type': 'shared_library',
  'include_dirs': ['../..'],
  'product_prefix': '',
  'product_extension': 'so',
  'product_dir': '<(PRODUCT_DIR)',
  'cflags_cc!': ['-std=gnu++17', '-fno-rtti'],
  'cflags_cc': ['-std=c++20', '-Wall', '-Wextra', '-fvisibility=hidden', '-fstack-protector-strong'],
  # They are loaded into programs of any kind, so they need nothing but libc.
  'ldflags': ['-Wl,-z,relro,-z,now', '-Wl,--as-needed'],
  'libraries': ['-ldl'],
  'conditions': [
    ['OS!="linux"', {'type': 'none'}],
    ['werror=="true"', {'cflags_cc': ['-Werror']}],
  ],
}

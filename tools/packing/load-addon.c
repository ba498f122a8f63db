// Loads an addon by the loader of the C library for which it was built, with all that it needs of that. The
// functions of Node.js are made for it by tools/packing/try-addon.mjs: none is called.
#include <dlfcn.h>
#include <stdio.h>

int main(int count, char** arguments) {
  if (count != 2) return 2;
  void* addon = dlopen(arguments[1], RTLD_NOW);
  if (addon == NULL || dlsym(addon, "napi_register_module_v1") == NULL) {
    puts(dlerror());
    return 1;
  }
  return 0;
}

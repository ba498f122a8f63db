#!/bin/sh
# Makes a C++ compiler for musl of what Debian 11 has: its g++, musl-gcc's settings, and the C++ library of its gcc
# in source, built here. It is run in a root that has all of these, and is done after the first time.
set -e
place=/opt/musl
target=$(uname -m)-linux-musl
[ -e $place/made ] && exit
rm -rf $place
mkdir -p $place/bin $place/kernel /tmp/gcc /tmp/build/libgcc /tmp/build/libstdc++-v3
# The kernel's headers without those of the C library that lie beside them.
ln -s /usr/include/linux /usr/include/asm-generic /usr/include/$(uname -m)-linux-gnu/asm $place/kernel
specs=/usr/lib/$target/musl-gcc.specs
cat >$place/bin/plain-c++ <<END
#!/bin/sh
exec g++ -specs=$specs -isystem $place/kernel "\$@"
END
# musl-gcc's settings are for C: they leave out the table by which exceptions are caught.
cat >$place/bin/c++ <<END
#!/bin/sh
exec g++ -Wl,--eh-frame-hdr -specs=$specs -nostdinc++ -I$place/include/c++/10 -I$place/include/c++/10/$target \\
  -isystem $place/kernel -L$place/lib "\$@"
END
chmod +x $place/bin/*
tar -xf /usr/src/gcc-10/gcc-*.tar* -C /tmp/gcc --strip-components=1 \
  --exclude '*/gcc/testsuite' --exclude '*/gcc/config' --exclude '*/gcc/ada' --exclude '*/libgo' \
  --exclude '*/libsanitizer' --exclude '*/libphobos' --exclude '*/gcc/po' --exclude '*/libgfortran'
# What a build of all of gcc would have made before.
ln -s /tmp/gcc/libgcc/gthr-posix.h /tmp/build/libgcc/gthr-default.h
cd /tmp/build/libstdc++-v3
CC=musl-gcc CXX=$place/bin/plain-c++ CXXFLAGS='-O2 -fPIC' CFLAGS='-O2 -fPIC' /tmp/gcc/libstdc++-v3/configure \
  --build="$(uname -m)-linux-gnu" --host="$target" --prefix=$place --libdir=$place/lib \
  --with-gxx-include-dir=$place/include/c++/10 --with-pic --disable-multilib --disable-nls --disable-shared \
  --disable-libstdcxx-pch --enable-libstdcxx-time=yes
make -j"$(nproc)"
make install
touch $place/made

#!/bin/sh
# musl-compiler.sh PROCESSOR PREFIX
#
# Makes a C and a C++ compiler for musl of what Debian 11 has: its gcc and g++, whose names begin with PREFIX, musl-gcc's
# settings, and the C++ library of its gcc in source, built here. It is run in a root that has all of these, and is done
# once.
set -e
processor=$1
prefix=$2
place=/opt/musl
target=$processor-linux-musl
made="$target $(cksum <"$0")"
[ "$(cat $place/made 2>/dev/null)" = "$made" ] && exit
rm -rf $place
mkdir -p $place/bin $place/kernel /tmp/gcc /tmp/build/libgcc /tmp/build/libstdc++-v3
# The kernel's headers without those of the C library that lie beside them.
ln -s /usr/include/linux /usr/include/asm-generic "/usr/include/$processor-linux-gnu/asm" $place/kernel
# There are settings for the processor of this machine alone. Those for another differ in its name.
own=$(uname -m)
specs=$place/musl-gcc.specs
sed "s/$own/$processor/g" "/usr/lib/$own-linux-musl/musl-gcc.specs" >$specs
# gcc's functions for atomic operations on arm64 ask glibc for what the processor has.
case $processor in aarch64) flags=-mno-outline-atomics ;; *) flags= ;; esac
cat >$place/bin/cc <<END
#!/bin/sh
exec ${prefix}gcc $flags -specs=$specs "\$@"
END
cat >$place/bin/plain-c++ <<END
#!/bin/sh
exec ${prefix}g++ $flags -specs=$specs -isystem $place/kernel "\$@"
END
# musl-gcc's settings are for C: they leave out the table by which exceptions are caught.
cat >$place/bin/c++ <<END
#!/bin/sh
exec ${prefix}g++ $flags -Wl,--eh-frame-hdr -specs=$specs -nostdinc++ -I$place/include/c++/10 -I$place/include/c++/10/$target \\
  -isystem $place/kernel -L$place/lib "\$@"
END
chmod +x $place/bin/*
tar -xf /usr/src/gcc-10/gcc-*.tar* -C /tmp/gcc --strip-components=1 \
  --exclude '*/gcc/testsuite' --exclude '*/gcc/config' --exclude '*/gcc/ada' --exclude '*/libgo' \
  --exclude '*/libsanitizer' --exclude '*/libphobos' --exclude '*/gcc/po' --exclude '*/libgfortran'
# What a build of all of gcc would have made before.
ln -s /tmp/gcc/libgcc/gthr-posix.h /tmp/build/libgcc/gthr-default.h
cd /tmp/build/libstdc++-v3
AR=${prefix}ar NM=${prefix}nm RANLIB=${prefix}ranlib STRIP=${prefix}strip \
  CC=$place/bin/cc CXX=$place/bin/plain-c++ CXXFLAGS='-O2 -fPIC' CFLAGS='-O2 -fPIC' /tmp/gcc/libstdc++-v3/configure \
  --build="$own-linux-gnu" --host="$target" --prefix=$place --libdir=$place/lib \
  --with-gxx-include-dir=$place/include/c++/10 --with-pic --disable-multilib --disable-nls --disable-shared \
  --disable-libstdcxx-pch --enable-libstdcxx-time=yes
make -j"$(nproc)"
make install
echo "$made" >$place/made

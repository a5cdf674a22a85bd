#!/usr/bin/env bash
# Installs, moves the tree, and looks at every part of it.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
build=$1 tree=$2 version=$3 cmake=$4

rm -rf "$tree"
"$cmake" --install "$build" --prefix "$scratch/prefix" --strip >"$scratch/log" || { cat "$scratch/log"; exit 1; }
mv "$scratch/prefix" "$tree"
lib=$(libdir "$tree")

# The library's three names, and that programs find it where it now is.
[[ $(readlink "$lib/libsamara.so") == libsamara.so.0 ]] || bad "libsamara.so is no link to libsamara.so.0"
[[ $(readlink "$lib/libsamara.so.0") == "libsamara.so.$version" ]] || bad "libsamara.so.0 is no link to .so.$version"
readelf -d "$lib/libsamara.so" | grep -q 'SONAME.*\[libsamara.so.0\]' || bad "the soname is not libsamara.so.0"
for name in "${programs[@]}"; do
  [[ $(clean "$tree/bin/samara-$name" --version) == "samara-$name $version" ]] || bad "samara-$name does not run"
  readelf -d "$tree/bin/samara-$name" | sed -nE 's/.*(RUNPATH|RPATH).*\[(.*)\]/\2/p' >"$scratch/rpath"
  if grep -v '^\$ORIGIN/' "$scratch/rpath"; then bad "samara-$name has the run path above"; fi
  for page in "man/man1/samara-$name.1" "bash-completion/completions/samara-$name" \
              "zsh/site-functions/_samara-$name" "fish/vendor_completions.d/samara-$name.fish"; do
    [[ -s $tree/share/$page ]] || bad "no share/$page"
  done
done
[[ $(clean ldd "$tree/bin/samara-chat" | sed -n 's/.*libsamara.so.0 => \(.*\) (.*/\1/p') -ef $lib/libsamara.so ]] ||
  bad "samara-chat loads another libsamara.so.0 than its own"
for file in include/samara/samara.h share/man/man3/samara.3 share/doc/samara/LICENSE share/doc/samara/licenses.md \
            share/doc/samara/examples/reply.c; do
  [[ -s $tree/$file ]] || bad "no $file"
done

# What has to be on the machine.
needed='libsamara\.so\.0|libstdc\+\+\.so\.6|libgcc_s\.so\.1|lib[cm]\.so\.6|ld-linux[-a-z0-9_]*\.so\.[0-9]+'
for file in "$tree"/bin/* "$lib/libsamara.so"; do
  allowed=$needed
  [[ $file != */samara-chat ]] || allowed+='|libedit\.so\.2'
  readelf -d "$file" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' >"$scratch/needed"
  if grep -vxE "$allowed" "$scratch/needed"; then bad "$file needs the above"; fi
done

# Nothing in it knows where it was built or installed.
if grep -rlF -e "$build" -e "$scratch" "$tree"; then bad "the above have a path of the build or of the prefix"; fi
# No test, no tool.
if ls "$tree/bin" | grep -vxE 'samara-(convert|chat|inspect|bench|eval)'; then bad "the above were installed too"; fi
exit "$fail"

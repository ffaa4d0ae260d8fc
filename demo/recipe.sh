# shellcheck shell=bash
# What the recipes of images share. Sourced by one of them, after common.sh.

# Never to be seen by a machine: the configurations of the image itself have it.
# shellcheck disable=SC2034 # for the recipes
marker=LAB=image-configuration

kernel=$(file_of '/boot/vmlinuz-*')
isolinux=$(file_of /usr/lib/ISOLINUX/isolinux.bin)
pxelinux=$(file_of /usr/lib/PXELINUX/pxelinux.0)
modules=$(dirname "$(file_of /usr/lib/syslinux/modules/bios/ldlinux.c32)")

# begin LAYOUT OUT PART...: where the image goes, and a place to make it in. Without OUT it is kept below target/; if it is
# there, and neither the recipe nor a file of another package that goes into it, a PART, has changed, then this prints its
# path, and it is the end of the script.
begin() {
    local layout=$1 here recipe
    here=$(dirname "${BASH_SOURCE[0]}")
    out=$2
    shift 2
    if [[ -z $out ]]; then
        recipe=$({
            cat "$0" "$here"/{common,recipe,guest,package}.sh "$here"/guest/*
            stat -L -c '%n %s %Y' "$kernel" "$isolinux" "$pxelinux" "$(command -v busybox)" "$@"
        } | sha256sum | cut -c 1-16)
        out=$lab_dir/images/$layout-$recipe.iso
        mkdir -p "$lab_dir/images"
        # Two tests may want it at once.
        exec 9>"$lab_dir/images/$layout.lock"
        flock 9
        if [[ -e $out ]]; then
            echo "$out"
            exit
        fi
        rm -f "$lab_dir/images/$layout"-????????????????.iso
    fi
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    tree=$work/tree
    mkdir -p "$tree"
}

# isolinux DIRECTORY: the loader of the medium itself; `boot` is how the image is told of it.
isolinux() {
    mkdir -p "$tree/$1"
    cp "$isolinux" "$modules"/{ldlinux,menu,vesamenu,libcom32,libutil}.c32 "$tree/$1/"
    # shellcheck disable=SC2034 # for the recipes
    boot=(-b "$1/isolinux.bin" -c "$1/boot.cat" -no-emul-boot -boot-load-size 4 -boot-info-table)
}

# text FILE: the standard input.
text() {
    mkdir -p "$tree/$(dirname "$1")"
    cat >"$tree/$1"
}

# random FILE MIB: what begins like a squashfs. It is only fetched and checked.
random() {
    mkdir -p "$tree/$(dirname "$1")"
    { printf hsqs && head -c $(($2 << 20)) /dev/urandom; } >"$tree/$1"
}

# finish VOLUME MAKER...: the image of the tree; prints its path.
finish() {
    local volume=$1
    shift
    mkdir -p "$(dirname "$out")"
    "$1" "${@:2}" -quiet -o "$out.part" -V "$volume" "$tree" >"$work/log" 2>&1 || die "$1: $(cat "$work/log")"
    mv "$out.part" "$out"
    echo "$out"
}

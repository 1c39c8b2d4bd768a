#!/bin/sh
# client.sh curl|wget|busybox URL
tool=$1 base=$2 header=--header # all three tools know this option
tab=$(printf '\t')
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

while IFS= read -r line; do
    IFS=$tab
    # shellcheck disable=SC2086  # words
    set -f -- $line
    unset IFS
    method=$1 path=$2 body=$3
    shift 3
    : >"$scratch/body" >"$scratch/head"
    for field; do
        shift
        set -- "$@" "$header" "$field"
    done
    case $tool in
    curl)
        [ "$body" = - ] || set -- "$@" --data-binary "$body" -H 'Content-Type: text/plain'
        if [ "$method" = EVENTS ]; then
            timeout 5 curl -sN -D "$scratch/head" "$@" "$base$path" | sed -n '/^data: /{s///p;q;}' >"$scratch/body"
        elif [ "$method" = HEAD ]; then
            curl -sI -D "$scratch/head" -o /dev/null "$@" "$base$path"
        else
            curl -s -D "$scratch/head" -o "$scratch/body" -X "$method" "$@" "$base$path"
        fi
        ;;
    wget)
        # On a connection that stays open, wget waits for the content whose length a 304 has.
        set -- "$@" --no-http-keep-alive
        [ "$body" = - ] || set -- "$@" --body-data "$body"
        if [ "$method" = EVENTS ]; then
            timeout 5 wget -q -S -O - "$@" "$base$path" 2>"$scratch/head" | sed -n '/^data: /{s///p;q;}' >"$scratch/body"
        else
            wget -q -S --tries 1 -O "$scratch/body" --content-on-error --method "$method" "$@" "$base$path" 2>"$scratch/head"
        fi
        ;;
    busybox)
        [ "$body" = - ] || set -- "$@" --post-data "$body"
        if [ "$method" = EVENTS ]; then
            timeout 5 busybox wget -q -S -O - "$@" "$base$path" 2>"$scratch/head" | sed -n '/^data: /{s///p;q;}' >"$scratch/body"
        else
            busybox wget -q -S -O "$scratch/body" "$@" "$base$path" 2>"$scratch/head"
        fi
        ;;
    esac
    status=$(sed -n 's|^ *HTTP/[0-9.]* \([0-9]*\).*|\1|p' "$scratch/head" | tail -n 1)
    tag=$(sed -n 's/^ *[Ee][Tt][Aa][Gg]: //p' "$scratch/head" | tr -d '\r' | tail -n 1)
    text=$(sed 's/$/\\n/' "$scratch/body" | tr -d '\n')
    [ "$method" = EVENTS ] && text=${text%\\n}
    # A text without a line feed at its end has none here either.
    [ -n "$(tail -c 1 "$scratch/body" | tr -d '\n')" ] && text=${text%\\n}
    printf '%s\t%s\t%s\n' "$status" "$tag" "$text"
done

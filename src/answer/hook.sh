# sh pxego-hook WORD ...: tells the server each WORD, with what is known about it; a minute at most for each.
exec </dev/null >/dev/null 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
unset http_proxy HTTP_PROXY all_proxy ALL_PROXY
know() {
    case $1 in
    started) uname -r; cat /sys/class/dmi/id/product_name /sys/class/dmi/id/product_serial ;;
    storage) grep -h -E '^ *(ignoredisk|clearpart|autopart|part|partition|raid|volgroup|logvol|reqpart|mount) ' @INCLUDES@ | sed 's/--pass[a-z]*[= ][^ ]*/--pass.../g' ;;
    failed)
        for log in /tmp/anaconda.log /tmp/packaging.log /tmp/program.log /tmp/anaconda-tb-* /tmp/anacdump.txt; do
            if [ -s $log ]; then
                echo == $log
                sed '/^Local variables/,$d' $log | tail -n 40
            fi
        done
        ;;
    esac
}
send() {
    curl -s -f -m 10 --connect-timeout 3 -H Expect: -H Content-Type:text/plain -o /dev/null --data-binary @$1 @URL@/$2 && return
    timeout 10 wget -q -O /dev/null --post-file=$1 @URL@/$2 && return
    python -c 'import sys,socket,urllib2;socket.setdefaulttimeout(10);urllib2.urlopen(sys.argv[1],open(sys.argv[2]).read()).read()' @URL@/$2 $1
}
for word; do
    know $word | tail -c 16000 >/tmp/pxego-$word
    for pause in 1 2 4 0; do
        send /tmp/pxego-$word $word && break
        sleep $pause
    done
    rm -f /tmp/pxego-$word
done

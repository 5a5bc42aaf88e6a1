# The payload of the demo: says where it is, greets its peers, soils its disk and leaves a JUnit report.
echo "I am $HOSTLER_NODE, an $HOSTLER_ARCH machine at $HOSTLER_ADDRESS, in the role $HOSTLER_ROLE"
tests=0
failed=0
cases=""
check() {
    name=$1
    shift
    tests=$((tests + 1))
    if "$@"; then
        cases="$cases<testcase classname=\"demo\" name=\"$name\"/>"
    else
        failed=$((failed + 1))
        cases="$cases<testcase classname=\"demo\" name=\"$name\"><failure message=\"$*\"/></testcase>"
    fi
}
three_peers() {
    set -- $HOSTLER_PEERS
    [ $# -eq 3 ]
}
soil() {
    for disk in $HOSTLER_DISKS; do
        # 4 MiB that must be gone for the next tenant.
        yes "secret-of-lease-$HOSTLER_LEASE" | dd of="$disk" bs=64K count=64 seek=4096 iflag=fullblock conv=notrunc 2>/dev/null || return 1
    done
}
for peer in $HOSTLER_PEERS; do
    echo "my peer ${peer%%=*} is at ${peer#*=}"
done
check "knows its role" test -n "$HOSTLER_ROLE"
check "knows three peers" three_peers
check "writes to its disk" soil
echo "$tests tests, $failed failed"
printf '<testsuites><testsuite name="demo" tests="%d" failures="%d" errors="0">%s</testsuite></testsuites>\n' \
    "$tests" "$failed" "$cases" >demo.xml
[ "$failed" -eq 0 ]

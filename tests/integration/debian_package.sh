# What an administrator does with the package, the file "$package"; run as root on a machine of its own.
policy() { printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d; chmod +x /usr/sbin/policy-rc.d; }
# As systemd would run it: as the service's user, who may write to its own folder only.
serve() {
    command=$(sed -n 's/^ExecStart=//p' /lib/systemd/system/mxisd.service)
    setpriv --reuid mxisd --regid mxisd --clear-groups sh -c "cd /var/lib/mxisd && exec $command" > /tmp/log 2>&1 &
    server=$!
    for _ in $(seq 100); do curl -sf http://127.0.0.1:8090/_matrix/identity/versions > /dev/null && return; sleep 0.3; done
    cat /tmp/log
    return 1
}
end() { kill "$server"; wait "$server" || true; }

policy
dpkg --install "$package"
echo "installed $(mxisd --version | cut -d' ' -f2)"
test "$(stat -c '%U %a' /var/lib/mxisd)" = "mxisd 700"
test "$(stat -c '%U %G %a' /etc/mxisd)" = "root mxisd 750"
cat > /etc/mxisd/mxisd.yaml <<'END'
matrix: {domain: example.org}
server: {hostname: 127.0.0.1}
key: {path: /var/lib/mxisd/signing.key}
storage: {provider: {sqlite: {database: /var/lib/mxisd/mxisd.db}}}
threepid: {medium: {email: {connector: log}}}
END
mxisd --config /etc/mxisd/mxisd.yaml check
serve
end
test -s /var/lib/mxisd/mxisd.db
key=$(cat /var/lib/mxisd/signing.key)

# A newer version over the running one: nothing of the administrator's changes.
dpkg-deb --raw-extract "$package" /tmp/newer
sed -i 's/^Version: .*/&+1/' /tmp/newer/DEBIAN/control
dpkg-deb -Znone --build /tmp/newer /tmp/newer.deb > /dev/null
dpkg --install /tmp/newer.deb
test "$(cat /var/lib/mxisd/signing.key)" = "$key"
test -s /etc/mxisd/mxisd.yaml
serve
end

dpkg --remove mxisd
test -s /var/lib/mxisd/mxisd.db
test -s /etc/mxisd/mxisd.yaml
! test -e /usr/lib/mxisd
dpkg --purge mxisd
! test -e /var/lib/mxisd
! test -e /etc/mxisd
! id mxisd 2> /dev/null
echo "all is well"

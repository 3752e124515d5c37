"""``--network host`` and ``--network pasta``, in network namespaces of the tests. The interfaces of the real machine never change."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from run_verb import REQUEST, VM_ID, Run, environment, identity, interpreter, python, words

from imdskit.cli.emulator import host_network
from imdskit.client.detect import Evidence, Step
from imdskit.errors import UsageError

IN_NAMESPACE = ("unshare", "--user", "--map-root-user", "--net", "--mount")
GET = shlex.join([interpreter(), "-c", REQUEST + "print(get(VM_ID))"])
HAS_ADDRESS = "ip -brief address | grep -c 169.254.169.254"
RUN_ON_HOST = shlex.join(words("--network", "host"))
SERVE = shlex.join([interpreter(), "-m", "imdskit", "serve", "--seed", "2", "--host", "169.254.169.254", "--port", "80"])


def sh(script: str, user: int | None = 65534) -> tuple[int, list[str], str]:
    """Run a shell script as root of new user, network and mount namespaces. Return its status, output lines and errors."""
    done = subprocess.run(
        [*IN_NAMESPACE, "sh", "-c", script],
        env=environment(),
        cwd="/",
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=120,
        check=False,
        **identity(user),
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout.splitlines(), done.stderr


@pytest.fixture(autouse=True)
def _namespaces(namespaces: None) -> None:
    pass


def test_the_address_is_on_the_host_while_the_command_runs() -> None:
    inner = shlex.quote(f"{HAS_ADDRESS}; {GET}; exit 3")
    status, lines, err = sh(f"{HAS_ADDRESS}; {RUN_ON_HOST} -- sh -c {inner}; echo $?; {HAS_ADDRESS}")
    assert (status, lines, err) == (1, ["0", "1", VM_ID, "3", "0"], "")


def test_the_address_is_removed_when_run_is_killed() -> None:
    script = f"""
mkfifo_folder=$(mktemp -d); mkfifo "$mkfifo_folder/ready"
{RUN_ON_HOST} -- sh -c 'echo > "$0"; exec sleep 1000' "$mkfifo_folder/ready" &
read _ < "$mkfifo_folder/ready"; rm -r "$mkfifo_folder"
{HAS_ADDRESS}
kill -KILL $!; wait $!; echo $?
for _ in $(seq 100); do [ "$({HAS_ADDRESS})" = 0 ] && break; sleep 0.05; done
{HAS_ADDRESS}
"""
    status, lines, _ = sh(script)
    assert (status, lines) == (1, ["1", "137", "0"])


def test_does_not_remove_an_address_that_existed_before() -> None:
    add = "ip link set lo up; ip address add 169.254.169.254/32 dev lo"
    for option in ("", "--force"):
        status, lines, err = sh(f"{add}; {RUN_ON_HOST} {option} -- echo ran; echo $?; {HAS_ADDRESS}")
        assert (status, lines) == (0, ["2", "1"])
        assert "An interface of this machine already has the address 169.254.169.254." in err


ROUTE_TO_SERVICE = f"""
set -e
ip link set lo up
ip link add imds0 type veth peer name imds1
unshare --net sleep 100 &
other=$!
while [ "$(readlink /proc/$other/ns/net)" = "$(readlink /proc/$$/ns/net)" ]; do :; done
trap 'kill $other $server' EXIT
ip link set imds1 netns $other
ip address add 192.0.2.1/24 dev imds0
ip link set imds0 up
ip route add 169.254.169.254/32 dev imds0
enter="nsenter --target $other --net"
$enter ip link set lo up
$enter ip address add 192.0.2.2/24 dev imds1
$enter ip address add 169.254.169.254/32 dev imds1
$enter ip link set imds1 up
folder=$(mktemp -d)
mkfifo "$folder/line"
$enter {SERVE} > "$folder/line" &
server=$!
read -r _ < "$folder/line"
rm -r "$folder"
set +e
"""
"""Shell commands that create a network in which an emulator with seed 2, in another network namespace, has the address."""


def test_a_working_service_is_not_hidden_without_force() -> None:
    script = f"{ROUTE_TO_SERVICE}\n{GET}; {RUN_ON_HOST} -- {GET}; echo $?; {RUN_ON_HOST} --force -- {GET}; echo $?; {GET}"
    status, lines, err = sh(script)
    assert status == 0, err
    real = lines[0]
    assert real != VM_ID
    assert lines == [real, "2", VM_ID, "0", real]
    assert "error: bad-argument: A working metadata service responds at 169.254.169.254: " in err
    assert "--force" in err


def test_recognises_an_azure_machine() -> None:
    tag = "mount -t tmpfs none /sys && mkdir -p /sys/class/dmi/id && echo 7783-7084-3265-9085-8269-3286-77 > /sys/class/dmi/id/chassis_asset_tag"
    status, lines, err = sh(f"{tag} && {RUN_ON_HOST} -- echo ran; echo $?; {HAS_ADDRESS}; {RUN_ON_HOST} --force -- echo forced")
    assert (status, lines) == (0, ["2", "0", "forced"])
    assert "error: bad-argument: This machine seems to be an Azure machine: " in err


@pytest.mark.parametrize(
    ("outcomes", "refused"),
    [
        (("unknown", "no", "unknown"), False),
        (("no", "unknown", "unknown"), False),
        (("yes", "no", "unknown"), True),
        (("unknown", "yes", "yes"), True),
        (("no", "yes", "no"), True),
        (("yes", "yes", "yes"), True),
    ],
    ids=str,
)
def test_refuses_to_add_the_address_on_an_azure_machine(outcomes: tuple[str, str, str], refused: bool) -> None:
    steps = tuple(Step(name, outcome, "seen", "") for name, outcome in zip(("chassis", "address", "shape"), outcomes, strict=True))  # type: ignore[arg-type]
    evidence = Evidence("unknown", steps)
    if refused:
        with pytest.raises(UsageError):
            host_network.check(evidence)
    else:
        host_network.check(evidence)


def test_reports_missing_permission_to_add_the_address(run: Run) -> None:
    done = run("--network", "host", *python("print('ran')"), before=("unshare", "--user", "--map-current-user", "--net"))
    assert (done.status, done.out) == (2, "")
    assert "cannot be added to the loopback interface: Operation not permitted" in done.err
    assert "Run the command as root" in done.err


def test_reports_a_missing_pasta_program(run: Run, folder: Path) -> None:
    done = run("--network", "pasta", *python("print('ran')"), PATH=str(folder))
    assert (done.status, done.out) == (2, "")
    assert "The program pasta is not installed." in done.err
    assert "apt install passt" in done.err


OUTSIDE = f"""
ip link set lo up
ip link add out0 type veth peer name out1
ip link set out1 up
ip address add 192.0.2.2/24 dev out0
ip address add 198.51.100.9/32 dev out0
ip link set out0 up
ip route add default via 192.0.2.1
{interpreter()} -c 'import socket
with socket.create_server(("198.51.100.9", 8099)) as server:
    connection, _ = server.accept()
    connection.sendall(b"hello")' &
"""


def test_pasta_gives_outbound_connections(request: pytest.FixtureRequest) -> None:
    refuse = pytest.fail if request.config.getoption("--require-programs") else pytest.skip
    if shutil.which("pasta") is None:
        refuse("pasta is not installed")
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        refuse("this user may not open /dev/net/tun")
    program = REQUEST + "import socket; print(get(VM_ID)); print(socket.create_connection(('198.51.100.9', 8099), 20).recv(10).decode())"
    command = shlex.join(words("--network", "pasta", *python(program)))
    _, lines, err = sh(f"{OUTSIDE}\n{command}; echo $?; pgrep -x pasta", user=None)
    assert lines == [VM_ID, "hello", "0"], err

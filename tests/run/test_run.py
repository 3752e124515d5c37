"""A command runs as on an Azure machine: the emulator has the real address, and the command keeps its user but has no capabilities."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from run_verb import IS_ROOT, NOBODY, REQUEST, VM_ID, Run, interpreter, python

from imdskit.verify.aia.locations import LOCATIONS


def test_the_request_of_the_documentation_works_with_curl(run: Run) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    url = "http://169.254.169.254/metadata/instance?api-version=2021-02-01"
    status, out, err = run("--", "curl", "-s", "-H", "Metadata:true", url)
    assert (status, err) == (0, "")
    assert json.loads(out)["compute"]["vmId"] == VM_ID


def test_the_emulator_responds_at_the_real_address(run: Run) -> None:
    assert run(*python(REQUEST + "print(get(VM_ID))")) == (0, f"{VM_ID}\n", "")


def test_the_command_needs_no_separator(run: Run) -> None:
    assert run(interpreter(), "-c", "print(3)", "--seed") == (0, "3\n", "")


@pytest.mark.parametrize("status", [2, 255])
def test_the_exit_status_is_that_of_the_command(status: int, run: Run) -> None:
    assert run(*python(f"raise SystemExit({status})")).status == status


def test_the_exit_status_says_which_signal_ended_the_command(run: Run) -> None:
    assert run("--", "sh", "-c", "kill -KILL $$").status == 128 + 9


@pytest.mark.parametrize(("command", "status"), [("no-such-command", 127), ("/", 126)], ids=str)
def test_reports_a_command_that_cannot_be_executed(command: str, status: int, run: Run) -> None:
    done = run("--", command)
    assert (done.status, done.out) == (status, "")
    assert f"The command '{command}' cannot be executed: " in done.err


def test_reports_a_missing_command_even_if_path_has_an_unreadable_folder(run: Run, folder: Path) -> None:
    hidden = folder / "hidden"
    hidden.mkdir(mode=0)
    done = run("--", "no-such-command", PATH=f"{hidden}:/usr/bin:/bin")
    assert (done.status, done.out) == (127, "")
    assert "cannot be executed: No such file or directory." in done.err


PROC = """
import json, os
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
print(json.dumps({"ids": [os.getuid(), os.geteuid(), os.getgid(), os.getegid()],
  "caps": [status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")], "pid": os.getpid(),
  "pids": sorted(int(name) for name in os.listdir("/proc") if name.isdigit()), "cwd": os.getcwd()}))
"""


@pytest.mark.parametrize("user", [NOBODY, None], ids=["nobody", "caller"])
def test_the_command_keeps_its_user_without_capabilities_or_other_processes(user: int | None, run: Run) -> None:
    done = run(*python(PROC), user=user)
    found = json.loads(done.out)
    expected = user if IS_ROOT and user is not None else os.geteuid()
    assert found["ids"][:2] == [expected] * 2
    assert [int(each, 16) for each in found["caps"]] == [0] * 5
    assert found["cwd"] == "/"
    assert found["pid"] == 2
    assert found["pids"] == [1, 2]


@pytest.mark.parametrize("user", [NOBODY, None], ids=["nobody", "caller"])
def test_the_command_can_read_the_proc_files_of_the_first_process(user: int | None, run: Run) -> None:
    """This works on any machine on which that process has the same user. Programs such as facter detect containers in this way."""
    program = "print(b'PATH=' in open('/proc/1/environ', 'rb').read(), 'CapPrm:\\t0000000000000000' in open('/proc/1/status').read())"
    assert run(*python(program), user=user) == (0, "True True\n", "")


def test_the_command_cannot_reach_any_other_address(run: Run) -> None:
    program = """
import errno, json, socket
def outcome(address):
    with socket.socket() as probe:
        return errno.errorcode.get(probe.connect_ex(address), "connected")
print(json.dumps([[name for _, name in socket.if_nameindex()], outcome(("192.0.2.1", 80)), outcome(("127.0.0.1", 80))]))
"""
    interfaces, outside, loopback = json.loads(run(*python(program)).out)
    assert "lo" in interfaces
    assert (outside, loopback) == ("ENETUNREACH", "ECONNREFUSED")


def test_environment_variables_direct_programs_to_the_emulator(run: Run) -> None:
    program = "import json, os; print(json.dumps(dict(os.environ)))"
    changes = {"MSI_ENDPOINT": "http://other", "NO_PROXY": "example.com", "no_proxy": "", "HTTP_PROXY": "http://proxy"}
    found = json.loads(run(*python(program), **changes).out)
    assert found["AZURE_POD_IDENTITY_AUTHORITY_HOST"] == "http://169.254.169.254"
    assert found["ARM_MSI_ENDPOINT"] == "http://169.254.169.254/metadata/identity/oauth2/token"
    assert "MSI_ENDPOINT" not in found
    assert found["NO_PROXY"] == found["no_proxy"] == "example.com,127.0.0.1,localhost,169.254.169.254"
    assert found["HTTP_PROXY"] == "http://proxy"


def test_accepts_the_options_of_serve(run: Run, folder: Path) -> None:
    faults = folder / "faults.json"
    faults.write_text('[{"match": {"path": "/metadata/versions"}, "fault": {"status": 410}}]')
    root = folder / "root.pem"
    program = (
        REQUEST + f"print(get('/metadata/instance/compute/osType?api-version=2021-02-01&format=text'), open({str(root)!r}).read(10))\n"
    )
    program += "try: get('/metadata/versions')\nexcept urllib.error.HTTPError as error: print(error.code)"
    done = run("--scenario", "windows", "--faults", faults, "--trust-out", root, *python(program))
    assert (done.status, done.out.split("\n")[0].startswith("Windows"), done.out.splitlines()[-1]) == (0, True, "410")


def test_reports_invalid_options_before_the_command_runs(run: Run, folder: Path) -> None:
    for arguments in (("--scenario", "nosuch"), ("--journal", folder / "no" / "file"), ("--map-host", "a b"), ("--force",), ("--",)):
        status, out, err = run(*arguments, *python("print('ran')")) if arguments != ("--",) else run("--")
        assert (status, out) == (2, ""), arguments
        assert "error: " in err


def test_writes_the_journal(run: Run, folder: Path) -> None:
    journal = folder / "journal.ndjson"
    done = run("--journal", journal, "--show-requests", *python(REQUEST + "get(VM_ID)\nget('/metadata/versions')"))
    entries = [json.loads(line) for line in journal.read_text().splitlines()]
    assert [(entry["number"], entry["method"], entry["target"], entry["status"], entry["source"]) for entry in entries] == [
        (1, "GET", "/metadata/instance/compute/vmId?api-version=2021-02-01&format=text", 200, "169.254.169.254"),
        (2, "GET", "/metadata/versions", 200, "169.254.169.254"),
    ]
    assert done.err.splitlines() == [
        "Requests received: 2",
        "    1 GET /metadata/instance/compute/vmId?api-version=2021-02-01&format=text -> 200",
        "    2 GET /metadata/versions -> 200",
    ]


def test_hosts_of_certificate_issuers_resolve_to_the_emulator(run: Run, folder: Path) -> None:
    journal = folder / "journal.ndjson"
    hosts = sorted({location.host for location in LOCATIONS} | {"imds.example"})
    program = f"""
import urllib.error, urllib.request
for host in {hosts}:
    try:
        urllib.request.build_opener(urllib.request.ProxyHandler({{}})).open(f"http://{{host}}/pkiops/certs/x.crt", timeout=30)
    except urllib.error.HTTPError as error:
        print(host, error.code)
print(sum(1 for line in open("/etc/hosts") if "localhost" in line) > 0)
"""
    before = Path("/etc/hosts").read_bytes()
    done = run("--map-host", "ca-issuers", "--map-host", "imds.example", "--journal", journal, *python(program))
    assert (done.status, done.err) == (0, "")
    # Status 421 would mean that the emulator refuses the Host header.
    assert done.out.splitlines() == [*(f"{host} 404" for host in hosts), "True"]
    assert len(journal.read_text().splitlines()) == len(hosts)
    assert Path("/etc/hosts").read_bytes() == before


def test_runs_inside_a_user_namespace(run: Run) -> None:
    assert run(*python(REQUEST + "print(get(VM_ID))"), before=("unshare", "--user", "--map-root-user")) == (0, f"{VM_ID}\n", "")


def test_runs_with_no_new_privileges(run: Run) -> None:
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv is not installed")
    assert run(*python(REQUEST + "print(get(VM_ID))"), before=("setpriv", "--no-new-privs")) == (0, f"{VM_ID}\n", "")


def test_runs_with_a_masked_proc_and_a_read_only_root(run: Run) -> None:
    """Containers are like this. The kernel refuses to mount a new /proc, so the command sees that of the caller."""
    mask = 'mount --bind /dev/null /proc/version && mount -o remount,bind,ro / && exec "$@"'
    program = REQUEST + f"import os; print(get(VM_ID), os.path.isdir('/proc/{os.getpid()}'), open('/etc/hosts').readline())"
    before = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mask, "sh")
    done = run("--map-host", "imds.example", *python(program), before=before)
    assert (done.status, done.err) == (0, "")
    assert done.out.split() == [VM_ID, "True", "169.254.169.254", "imds.example"]


def test_runs_inside_itself(run: Run) -> None:
    inner = [interpreter(), "-m", "imdskit", "run", "--seed", "2", *python(REQUEST + "print(get(VM_ID))")]
    done = run("--show-requests", "--", *inner)
    assert done.status == 0
    assert len(done.out) == len(VM_ID) + 1
    assert done.out != f"{VM_ID}\n"
    assert "Requests received: 0" in done.err

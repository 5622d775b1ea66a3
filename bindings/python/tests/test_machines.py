"""The table of the blocking API: the same calls and the same outcomes by every kind of target."""

from __future__ import annotations

import builtins
import json
import os
import threading
import time

import pytest
from machines import Machine, until

import libqmp


def test_a_command_returns_its_value(vm: libqmp.Monitor) -> None:
    status = vm.run("query-status")
    assert status["running"] is True
    assert status["status"] == "running"
    assert vm.state.name == "CONNECTED"


def test_arguments_are_keywords_or_a_mapping(vm: libqmp.Monitor) -> None:
    vm.run("object-add", {"qom-type": "iothread"}, id="t1")
    try:
        assert "t1" in [thread["id"] for thread in vm.run("query-iothreads")]
        assert vm.run("qom-get", {"path": "/objects/t1", "property": "type"}) == "iothread"
    finally:
        vm.run("object-del", id="t1")
    with pytest.raises(TypeError, match="given twice: id"):
        vm.run("object-del", {"id": "t1"}, id="t1")


def test_an_error_of_qemus_has_all_its_parts(machine: Machine, vm: libqmp.Monitor) -> None:
    with pytest.raises(libqmp.CommandError) as caught:
        vm.run("no-such-command")
    why = caught.value
    assert why.error_class == "CommandNotFound"
    assert "no-such-command" in why.desc
    assert why.code is libqmp.Code.COMMAND
    assert why.delivery is libqmp.Delivery.ANSWERED
    assert why.target == machine.target
    assert why.reply is not None and json.loads(why.reply)["error"]["desc"] == why.desc
    assert why.errno is None
    assert machine.target in str(why) and "no-such-command" in str(why)


def test_a_raw_request_gets_its_whole_reply_with_its_id(vm: libqmp.Monitor) -> None:
    reply = vm.run_raw(b'{"execute": "query-name", "id": [1.50, "\xc3\xa4"]}')
    assert b'[1.50, "\xc3\xa4"]' in reply
    assert json.loads(reply).keys() == {"return", "id"}
    assert "return" in json.loads(vm.run_raw('{"execute": "query-name"}'))


@pytest.mark.parametrize("request_", [b"{", b"[]", b'{"execute": 1}', b'{"execute":"x"}{"execute":"y"}'])
def test_a_bad_request_is_refused_before_it_is_sent(vm: libqmp.Monitor, request_: bytes) -> None:
    with pytest.raises(libqmp.InvalidArgument) as caught:
        vm.run_raw(request_)
    assert isinstance(caught.value, ValueError)
    assert caught.value.delivery is libqmp.Delivery.NOT_SENT
    assert vm.run("query-status")["running"]


def test_what_c_would_misread_is_refused(vm: libqmp.Monitor) -> None:
    with pytest.raises(ValueError, match="NUL"):
        vm.run_raw(b'{"execute": "query-status"}\0')
    with pytest.raises(ValueError, match="timeout"):
        vm.run("query-status", timeout=-0.001)
    with pytest.raises(ValueError, match="JSON"):
        vm.run("query-status", x=float("nan"))


def test_large_values_arrive_whole(vm: libqmp.Monitor) -> None:
    commands = vm.run("query-commands")
    assert {"name": "query-status"} in commands
    assert len(vm.run("query-qmp-schema")) > 500


def test_events_come_in_order(vm: libqmp.Monitor) -> None:
    with vm.events() as stream, vm.events("RESUME") as resumes:
        vm.run("stop")
        vm.run("cont")
        names = [stream.next(10)["event"] for _ in range(2)]
        assert names == ["STOP", "RESUME"]
        event = resumes.next(10)
        assert event["event"] == "RESUME" and event["timestamp"]["seconds"] > 0
        with pytest.raises(libqmp.TimeoutError):
            stream.next(0)
    assert list(stream) == []


def test_a_stream_made_before_connecting_misses_nothing(machine: Machine) -> None:
    with libqmp.Monitor(machine.target) as vm:
        assert vm.state.name == "NEW"
        stream = vm.events()
        vm.connect(timeout=20)
        assert stream.next(10)["event"] == "LIBQMP_CONNECTED"
        with pytest.raises(libqmp.WrongState):
            vm.connect()
        vm.disconnect()
        assert vm.state.name == "DISCONNECTED"
        assert [event["event"] for event in iter_until_loss(stream)] == ["LIBQMP_DISCONNECTED"]
        with pytest.raises(libqmp.Disconnected) as caught:
            vm.run("query-status")
        assert isinstance(caught.value, ConnectionError)
        assert caught.value.delivery is libqmp.Delivery.NOT_SENT
        vm.connect(timeout=20)
        assert stream.next(10)["event"] == "LIBQMP_CONNECTED"
        assert vm.run("query-status")["running"]


def iter_until_loss(stream: libqmp.EventStream) -> list[libqmp.Event]:
    """Iterates until the link is gone, which is an error and no end."""
    events = []
    with pytest.raises(libqmp.Disconnected):
        for event in stream:
            events.append(event)
    return events


def test_the_greeting_tells_qemus_version(vm: libqmp.Monitor) -> None:
    assert vm.greeting()["QMP"]["version"]["qemu"]["major"] >= 5


def test_domains_are_listed_by_those_who_know_any(machine: Machine, vm: libqmp.Monitor) -> None:
    if machine.kind == "socket":
        with pytest.raises(libqmp.Unsupported):
            vm.list_domains()
        return
    mine = [domain for domain in vm.list_domains() if machine.target.endswith(f"#{domain['name']}")]
    assert [domain["state"] for domain in mine] == ["running"]
    hypervisor = machine.target.partition("#")[0]
    with libqmp.connect(hypervisor) as host:
        assert mine[0]["uuid"] in [domain["uuid"] for domain in host.list_domains(timeout=20)]


def test_a_descriptor_is_passed_where_the_link_can(vm: libqmp.Monitor) -> None:
    with open(os.devnull, "rb") as file:
        if not vm.supports("fds"):
            with pytest.raises(libqmp.Unsupported):
                vm.run("getfd", fdname="null", fds=[file])
            return
        vm.run("getfd", fdname="null", fds=[file])
        vm.run("closefd", fdname="null")
        added = vm.run("add-fd", {"fdset-id": 7}, fds=[file.fileno()])
        assert added["fdset-id"] == 7
        vm.run("remove-fd", {"fdset-id": 7})


def test_a_silent_machine_times_out_and_recovers(machine: Machine, vm: libqmp.Monitor) -> None:
    machine.freeze()
    try:
        begin = time.monotonic()
        with pytest.raises(libqmp.TimeoutError) as caught:
            vm.run("query-status", timeout=0.3)
        assert 0.29 <= time.monotonic() - begin < 10
    finally:
        machine.thaw()
    assert isinstance(caught.value, builtins.TimeoutError)
    assert caught.value.delivery is libqmp.Delivery.UNKNOWN
    assert vm.run("query-status")["running"]
    with pytest.raises(libqmp.TimeoutError) as caught:
        vm.run("query-status", timeout=0)
    assert caught.value.delivery is libqmp.Delivery.NOT_SENT


def test_the_default_timeout_is_an_option(machine: Machine) -> None:
    with libqmp.connect(machine.target, timeout=20, default_timeout=0.2) as vm:
        machine.freeze()
        try:
            with pytest.raises(libqmp.TimeoutError):
                vm.run("query-status")
        finally:
            machine.thaw()
        vm.set(default_timeout=None)
        assert vm.run("query-status")["running"]
        with pytest.raises(libqmp.InvalidArgument, match="no-such-option"):
            vm.set(no_such_option=1)


def test_many_threads_share_a_monitor(machine: Machine, vm: libqmp.Monitor) -> None:
    rounds = 5 if machine.kind == "virsh" else 50
    wrong: list[object] = []

    def work(number: int) -> None:
        for round_ in range(rounds):
            mine = f"{number}.{round_}"
            reply = json.loads(vm.run_raw(json.dumps({"execute": "query-status", "id": mine})))
            if reply["id"] != mine or not reply["return"]["running"]:
                wrong.append(reply)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    # The main thread waits in another way than the rest.
    work(8)
    for thread in threads:
        thread.join()
    assert wrong == []


def test_closing_ends_calls_of_other_threads(machine: Machine) -> None:
    vm = libqmp.connect(machine.target)
    stream = vm.events()
    outcomes: list[libqmp.Error] = []

    def run() -> None:
        try:
            vm.run("query-status", timeout=None)
        except libqmp.Error as why:
            outcomes.append(why)

    def pull() -> None:
        # Closing the monitor ends the loop, after what is told of its link.
        assert all(event["event"].startswith("LIBQMP_") for event in stream)

    machine.freeze()
    try:
        threads = [threading.Thread(target=run) for _ in range(3)] + [threading.Thread(target=pull)]
        for thread in threads:
            thread.start()
        until("the calls to be inside", lambda: len(vm._handle._uses) == 3)
        vm.close()
        for thread in threads:
            thread.join(20)
            assert not thread.is_alive()
    finally:
        machine.thaw()
    assert len(outcomes) == 3
    assert {why.code for why in outcomes} <= {libqmp.Code.CANCELED, libqmp.Code.DISCONNECTED}
    assert vm._handle.gone
    with pytest.raises(libqmp.WrongState):
        vm.run("query-status")
    stream.close()


def test_the_end_of_a_machine_is_told(mortal: Machine) -> None:
    with libqmp.connect(mortal.target) as vm:
        stream = vm.events("SHUTDOWN")
        with libqmp.connect(mortal.other) as other:
            other.run("quit")
        assert stream.next(20)["event"] == "SHUTDOWN"


def test_a_target_that_is_not_there(tmp_path: object) -> None:
    with pytest.raises(libqmp.ConnectFailed) as caught:
        libqmp.connect(f"unix:{tmp_path}/none", timeout=0.1)
    assert isinstance(caught.value, ConnectionError)
    assert caught.value.errno == 2
    assert caught.value.target == f"unix:{tmp_path}/none"
    with pytest.raises(libqmp.InvalidArgument):
        libqmp.connect("nonsense:x")

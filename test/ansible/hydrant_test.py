"""Parts of the callback plugin on their own: its spool, its JSON, its MQTT. Run by plugin.test.ts."""
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

FOLDER = os.path.join(os.path.dirname(__file__), '..', '..', 'integrations', 'ansible')
sys.path.insert(0, FOLDER)
sys.dont_write_bytecode = True
import hydrant  # noqa: E402

KEY = '0' * 25


def line(number, payload=b'{}'):
    return b'%s%d\tt/a\t%s\n' % (KEY.encode(), number, payload)


class SpoolTest(unittest.TestCase):
    def setUp(self):
        self.temp = tempfile.TemporaryDirectory()
        self.addCleanup(self.temp.cleanup)
        self.folder = os.path.join(self.temp.name, 'spool')

    def spool(self, max_bytes=1 << 20):
        spool = hydrant.Spool(self.folder, max_bytes)
        self.addCleanup(lambda: [os.close(segment.fd) for segment in spool.segments if segment.fd is not None])
        return spool

    def leave(self, data, name='1-other-1.spool'):
        os.makedirs(self.folder, exist_ok=True)
        with open(os.path.join(self.folder, name), 'wb') as file:
            file.write(data)

    def keys(self, spool, count=100):
        return [event.id[-1] for event in spool.take(count)]

    def files(self):
        return sorted(os.listdir(self.folder))

    def test_what_is_taken_and_not_done_is_taken_again(self):
        spool = self.spool()
        for number in range(4):
            spool.append(line(number))
        first, second = spool.take(2)
        spool.done(first.segment, first.end)
        spool.rewind()
        self.assertEqual(self.keys(spool), ['1', '2', '3'])
        self.assertEqual(spool.left(), (3, 0))

    def test_a_file_goes_once_all_in_it_is_sent_and_no_more_comes(self):
        spool = self.spool()
        spool.append(line(1))
        (event,) = spool.take(1)
        spool.done(event.segment, event.end)
        self.assertEqual(len(self.files()), 1)
        spool.end()
        self.assertEqual(self.files(), [])

    def test_it_is_for_nobody_else_to_read(self):
        spool = self.spool()
        spool.append(line(1))
        self.assertEqual(os.stat(self.folder).st_mode & 0o777, 0o700)
        self.assertEqual(os.stat(os.path.join(self.folder, self.files()[0])).st_mode & 0o777, 0o600)

    def test_a_left_file_goes_on_behind_what_was_sent_of_it_and_comes_before_new_ones(self):
        sent = line(1)
        self.leave(hydrant.HEADER % (hydrant.HEADER_BYTES + len(sent)) + sent + line(2))
        spool = self.spool()
        spool.append(line(3))
        spool.adopt()
        self.assertEqual(self.keys(spool), ['2', '3'])
        self.assertEqual(spool.left(), (2, 0))

    def test_what_is_done_is_not_sent_again_by_the_next_run(self):
        spool = self.spool()
        for number in range(3):
            spool.append(line(number))
        for event in spool.take(2):
            spool.done(event.segment, event.end)
        (name,) = self.files()
        os.rename(os.path.join(self.folder, name), os.path.join(self.folder, '1-other-1.spool'))
        next_one = self.spool()
        next_one.adopt()
        self.assertEqual(self.keys(next_one), ['2'])

    def test_a_left_file_that_is_empty_or_sent_is_removed(self):
        self.leave(b'', '1-other-1.spool')
        self.leave(hydrant.HEADER % hydrant.HEADER_BYTES, '1-other-2.spool')
        self.leave(hydrant.HEADER % (hydrant.HEADER_BYTES + len(line(1))) + line(1), '1-other-3.spool')
        self.spool().adopt()
        self.assertEqual(self.files(), [])

    def test_what_a_kill_left_of_a_line_is_set_aside(self):
        self.leave(hydrant.HEADER % hydrant.HEADER_BYTES + line(1) + line(2)[:-3])
        spool = self.spool()
        spool.adopt()
        (event,) = spool.take(9)
        self.assertEqual(event.id[-1], '1')
        spool.done(event.segment, event.end)
        self.assertEqual(self.keys(spool), [])
        self.assertEqual((self.files(), spool.refused), (['refused.ndjson'], 1))

    def test_junk_is_set_aside_and_what_follows_is_sent(self):
        self.leave(os.urandom(hydrant.HEADER_BYTES) + b'\0junk\n' + line(1) + b'more\tjunk\n' + line(2))
        spool = self.spool()
        spool.adopt()
        keys = []
        while True:
            events = spool.take(9)
            if not events:
                break
            for event in events:
                keys.append(event.id[-1])
                spool.done(event.segment, event.end)
        self.assertEqual((keys, self.files()), (['1', '2'], ['refused.ndjson']))

    def test_a_file_of_a_run_that_goes_on_is_left_alone(self):
        code = 'import sys; sys.path.insert(0, sys.argv[1]); import hydrant; s = hydrant.Spool(sys.argv[2], 1 << 20)\n'
        code += 's.append(sys.argv[3].encode().decode("unicode_escape").encode()); print("stored", flush=True); sys.stdin.read()'
        escaped = line(1).decode().encode('unicode_escape').decode()
        other = subprocess.Popen(
            [sys.executable, '-B', '-c', code, FOLDER, self.folder, escaped], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        try:
            self.assertEqual(other.stdout.readline(), b'stored\n')
            spool = self.spool()
            spool.adopt()
            self.assertEqual(self.keys(spool), [])
        finally:
            other.kill()
            other.communicate()
        spool.adopt()
        self.assertEqual(self.keys(spool), ['1'])

    def test_its_own_file_is_never_adopted(self):
        spool = self.spool()
        spool.append(line(1))
        self.spool().adopt()
        self.assertEqual(self.keys(spool), ['1'])
        self.assertEqual(len(spool.segments), 1)

    def test_beyond_the_bound_events_are_counted_as_lost_unless_they_tell_of_that(self):
        spool = self.spool(len(line(1)) * 2)
        for number in range(5):
            spool.append(line(number))
        spool.append(line(9), is_urgent=True)
        self.assertEqual(self.keys(spool)[-1], '9')
        self.assertEqual(spool.lost + spool.left()[0], 6)
        self.assertGreater(spool.lost, 1)

    def test_room_that_sending_makes_is_used(self):
        spool = self.spool(200)
        spool.append(line(1))
        spool.end()
        (event,) = spool.take(1)
        used = spool.used
        spool.done(event.segment, event.end)
        self.assertLess(spool.used, used)

    def test_while_the_disk_fails_events_wait_in_memory_and_stay_in_order(self):
        spool = self.spool()
        spool.append(line(1))
        spool.current.fd, real = os.open(os.devnull, os.O_RDONLY), spool.current.fd
        os.close(spool.current.fd)
        spool.append(line(2))
        spool.segments[0].fd = real
        spool.fault_at -= 10
        spool.append(line(3))
        self.assertEqual(self.keys(spool), ['1', '2', '3'])
        self.assertEqual(spool.left(), (2, 1))
        self.assertIn('Bad file descriptor', spool.fault)


class JsonTest(unittest.TestCase):
    def json(self, value):
        return json.loads(hydrant.to_json(value))

    def test_any_value_becomes_json(self):
        class Mute:
            def __str__(self):
                raise ValueError

        circle = []
        circle.append(circle)
        value = {1: b'\xff', None: {2, 1}, ('a',): float('inf'), 'half \ud83d': 'pair \U0001f600', 'mute': Mute(), 'deep': circle}
        plain = self.json(value)
        deep = plain.pop('deep')
        expected = {'1': '\ufffd', 'None': [1, 2], "('a',)": 'inf', 'half \ufffd': 'pair \U0001f600', 'mute': '(a value without text)'}
        self.assertEqual(plain, expected)
        depth = 0
        while isinstance(deep, list):
            deep, depth = deep[0], depth + 1
        self.assertEqual((deep, depth < 200), ('…', True))

    def test_no_log_hides_a_result_an_item_and_nothing_else(self):
        self.assertEqual(hydrant.censor({'_ansible_no_log': True, 'msg': 'topsecret', 'changed': True}), {**hydrant.CENSORED, 'changed': True})
        self.assertEqual(hydrant.censor({'msg': 'topsecret'}, hidden=True), hydrant.CENSORED)
        items = hydrant.censor({'results': [{'_ansible_no_log': True, 'item': 'topsecret'}, {'item': 'b', '_ansible_item_label': 'b'}]})
        self.assertEqual(items, {'results': [hydrant.CENSORED, {'item': 'b'}]})

    def test_a_vault_stays_closed(self):
        class Vault:
            _ciphertext = b'$ANSIBLE_VAULT;1.1;AES256'

        self.assertEqual(self.json({'v': Vault()}), {'v': {'__ansible_vault': '$ANSIBLE_VAULT;1.1;AES256'}})

    def test_long_results_of_every_shape_fit(self):
        for value in ({'a': 'x' * 9000}, {'a': ['x' * 50] * 900}, {'k%d' % n: 'x' * 20 for n in range(9000)}, ['ü' * 9000], 'y' * 9000):
            payload = hydrant.payload_of({'status': 'OK'}, value, 4096, False)
            data = json.loads(payload)
            self.assertLessEqual(len(payload), 4096)
            self.assertEqual((data['truncated'], data['status']), (True, 'OK'))
            self.assertEqual(data['ansible_result_bytes'], len(hydrant.to_json(value)))


class SettingsTest(unittest.TestCase):
    def settings(self, files, **options):
        with tempfile.TemporaryDirectory() as folder:
            paths = []
            for number, text in enumerate(files):
                paths.append(os.path.join(folder, str(number)))
                with open(paths[-1], 'w', encoding='utf-8') as file:
                    file.write(text)
            return hydrant.read_settings(options.get, paths + [os.path.join(folder, 'none')])

    def test_the_environment_comes_first_then_etc_then_home(self):
        etc = 'mqtt_hostname: etc\nmqtt_port: 2000\n'
        home = 'mqtt_hostname: home\nmqtt_port: 3000\nmqtt_username: ann\nmqtt_password: 1234\nlegacy_topics: true\n'
        found = self.settings([etc, home], mqtt_hostname='env')
        self.assertEqual(found['url'], 'mqtt://env:2000')
        self.assertEqual((found['user'], found['password'], found['legacy_topics']), ('ann', '1234', True))
        self.assertEqual(self.settings([etc, home])['url'], 'mqtt://etc:2000')

    def test_authorities_make_it_tls_and_hydrant_url_comes_before(self):
        found = self.settings(['mqtt_hostname: broker\nmqtt_ca_certs: /ca.pem\nmqtt_base_topic: /site//lab+/\n'])
        self.assertEqual((found['url'], found['ca_certs'], found['base_topic']), ('mqtts://broker:1883', '/ca.pem', 'site/lab%2B'))
        self.assertEqual(self.settings(['mqtt_hostname: broker\n'], url='http://bus')['url'], 'http://bus')

    def test_a_file_that_is_none_is_told(self):
        with self.assertRaisesRegex(ValueError, 'is no YAML'):
            self.settings(['{'])


class Broker:
    """Answers one script after the other, a connection each; a script gets `read`, which gives the next packet, and `write`."""

    def __init__(self, test, *scripts):
        self.server = socket.create_server(('127.0.0.1', 0))
        self.url = 'mqtt://127.0.0.1:%d' % self.server.getsockname()[1]
        test.addCleanup(self.server.close)
        threading.Thread(target=self.run, args=[scripts], daemon=True).start()

    def run(self, scripts):
        for script in scripts:
            try:
                sock, _ = self.server.accept()
            except OSError:
                return
            with sock, sock.makefile('rb') as file:
                script(lambda: self.read(file), sock.sendall)
                # Closing with unread bytes would take back what was written.
                sock.shutdown(socket.SHUT_WR)
                file.read()

    def read(self, file):
        kind, size, shift = file.read(1)[0], 0, 0
        while True:
            digit = file.read(1)[0]
            size |= (digit & 127) << shift
            if digit < 128:
                return kind, file.read(size)
            shift += 7


def admit(read, write):
    assert read()[0] == 0x10
    write(b'\x20\x02\x00\x00')


def acknowledge(read, write, count):
    admit(read, write)
    for _ in range(count):
        _, body = read()
        at = 2 + int.from_bytes(body[:2], 'big')
        write(b'\x40\x02' + body[at : at + 2])


class MqttTest(unittest.TestCase):
    def transport(self, url, **settings):
        names = ('user', 'password', 'token', 'ca_certs', 'certfile', 'keyfile', 'client_id')
        transport = hydrant.open_transport({'url': url, 'timeout_seconds': 20, **dict.fromkeys(names), **settings})
        self.addCleanup(transport.close)
        return transport

    def events(self, count, size=2):
        return [hydrant.Event(None, number, '%s%d' % (KEY, number), 't/a', b'{' + b' ' * (size - 2) + b'}') for number in range(count)]

    def attempt(self, transport, events):
        done, error = [], None
        try:
            done.extend((event.end, refusal) for event, refusal in transport.deliver(events))
        except hydrant.Undelivered as undelivered:
            error = undelivered
        if error:
            transport.close()
        return done, error

    def test_acknowledged_events_are_done_and_the_rest_is_sent_again(self):
        broker = Broker(self, lambda *at: acknowledge(*at, 2), lambda *at: acknowledge(*at, 3))
        transport = self.transport(broker.url)
        events = self.events(5)
        done, error = self.attempt(transport, events)
        self.assertEqual((done, error.again), ([(0, None), (1, None)], True))
        self.assertEqual(self.attempt(transport, events[2:]), ([(2, None), (3, None), (4, None)], None))

    def test_what_is_refused_at_login_is_said(self):
        def refuse(read, write):
            read()
            write(b'\x20\x02\x00\x04')

        _, error = self.attempt(self.transport(Broker(self, refuse).url), self.events(1))
        self.assertEqual(str(error), 'user name or password is wrong')

    def test_what_is_no_broker_is_said(self):
        _, error = self.attempt(self.transport(Broker(self, lambda read, write: write(b'HTTP/1.1 400 Bad Request\r\n\r\n')).url), self.events(1))
        self.assertEqual(str(error), 'this is no MQTT broker')

    def test_a_long_event_at_which_the_broker_closes_each_time_is_refused_alone(self):
        def close(read, write):
            admit(read, write)
            read()

        broker = Broker(self, *[close] * 4, lambda *at: acknowledge(*at, 1))
        transport = self.transport(broker.url)
        events = self.events(1, 100_000) + self.events(2)[1:]
        for _ in range(4):
            done, error = self.attempt(transport, events)
            self.assertEqual((done, error.again), ([], True))
        ((end, refusal),), error = self.attempt(transport, events)
        self.assertEqual((end, refusal), (0, 'the broker closes the connection when it gets these 100000 bytes'))
        self.assertEqual(self.attempt(transport, events[1:]), ([(1, None)], None))

    def test_a_short_event_is_never_given_up(self):
        def close(read, write):
            admit(read, write)
            read()

        transport = self.transport(Broker(self, *[close] * 8).url)
        for _ in range(8):
            done, error = self.attempt(transport, self.events(1))
            self.assertEqual((done, str(error)), ([], 'the broker has closed the connection'))

    def test_a_broker_that_never_answers_is_left(self):
        transport = self.transport(Broker(self, lambda read, write: (admit(read, write), time.sleep(30))).url, timeout_seconds=0.2)
        _, error = self.attempt(transport, self.events(1))
        self.assertEqual(str(error), 'no answer in time')


class HttpTest(unittest.TestCase):
    def transport(self, *answers):
        broker = Broker(self, *[lambda read, write, answer=answer: write(answer) for answer in answers])
        settings = dict.fromkeys(('user', 'password', 'token', 'ca_certs', 'certfile', 'keyfile', 'client_id'))
        transport = hydrant.open_transport({**settings, 'url': broker.url.replace('mqtt', 'http'), 'timeout_seconds': 20})
        self.addCleanup(transport.close)
        return transport

    def post(self, transport):
        event = hydrant.Event(None, 0, KEY + '0', 't/a', b'{}')
        try:
            return [refusal for _, refusal in transport.deliver([event])]
        except hydrant.Undelivered as error:
            transport.close()
            return error

    def test_a_connection_that_was_idle_and_is_gone_is_tried_again_at_once_and_a_new_one_is_not(self):
        transport = self.transport(b'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}', b'')
        self.assertEqual(self.post(transport), [None])
        self.assertTrue(self.post(transport).again)
        self.assertFalse(self.post(transport).again)

    def test_what_is_no_http_is_told_in_one_line(self):
        error = self.post(self.transport(b'\x20\x02\x00\x00\r\n\r\n'))
        self.assertRegex(str(error), r'^[ -~]{1,300}$')


class DeliveryTest(unittest.TestCase):
    def test_more_than_memory_may_hold_is_counted_and_put_never_waits(self):
        with tempfile.TemporaryDirectory() as folder:
            spool = hydrant.Spool(os.path.join(folder, 'spool'), 1 << 30)
            gate = threading.Event()
            append, spool.append = spool.append, lambda *at, **options: (gate.wait(), append(*at, **options))

            class Nowhere:
                window = 1

                def deliver(self, events):
                    raise hydrant.Undelivered('nowhere')

                def close(self):
                    pass

            delivery = hydrant.Delivery(spool, Nowhere(), 'nowhere', lambda: None)
            for number in range(hydrant.QUEUE_EVENTS + 100):
                delivery.put(line(number % 10))
            self.assertEqual(spool.lost, 100)
            self.assertRegex(delivery.close(0.1), r'10100 events are lost: the disk of the spool is slow')
            gate.set()
            self.assertIn('10000 events are not sent', delivery.close(60))


if __name__ == '__main__':
    unittest.main()

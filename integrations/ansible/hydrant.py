"""Publishes what Ansible runs as events on a Hydrant bus, or on any MQTT broker."""

DOCUMENTATION = '''
name: hydrant
type: notification
short_description: Publishes plays, tasks and their results as events
description:
  - Sends an event when a play starts and finishes, for each result of a task or of an item of a loop, and for the statistics of each host.
  - An event is written to a spool folder on disk and leaves it once the bus has it. What the bus does not take stays for the next run, which sends it first.
  - The run never waits for the bus, except at its very end, for I(wait_seconds) at most, and its result is never another one.
requirements:
  - ansible-core 2.12 or later, Python 3.9 or later, nothing else
options:
  url:
    description:
      - Where the bus is. C(http://HOST:8080) and C(https://HOST:8443) are the HTTP door of Hydrant, C(unix:/PATH/outbox.sock) is
        C(hydrant outbox serve) on this machine, C(mqtt://HOST) and C(mqtts://HOST) are any MQTT broker.
      - Without it I(mqtt_hostname) counts; without both nothing is published.
    env: [{name: HYDRANT_URL}]
    ini: [{section: callback_hydrant, key: url}]
  user:
    description: Account.
    env: [{name: HYDRANT_USER}]
    ini: [{section: callback_hydrant, key: user}]
  password:
    description: Password of the account. Better in a file, see I(password_file).
    env: [{name: HYDRANT_PASSWORD}]
  password_file:
    description: File with the password on its first line.
    env: [{name: HYDRANT_PASSWORD_FILE}]
    ini: [{section: callback_hydrant, key: password_file}]
  token:
    description: Bearer token, in place of user and password; over HTTP only.
    env: [{name: HYDRANT_TOKEN}]
  token_file:
    description: File with the token on its first line.
    env: [{name: HYDRANT_TOKEN_FILE}]
    ini: [{section: callback_hydrant, key: token_file}]
  ca_certs:
    description: PEM file of the authorities to trust. By default those of the system.
    env: [{name: HYDRANT_CA_CERTS}]
    ini: [{section: callback_hydrant, key: ca_certs}]
  certfile:
    description: PEM file of the certificate to show.
    env: [{name: HYDRANT_CERTFILE}]
    ini: [{section: callback_hydrant, key: certfile}]
  keyfile:
    description: PEM file of its private key.
    env: [{name: HYDRANT_KEYFILE}]
    ini: [{section: callback_hydrant, key: keyfile}]
  base_topic:
    description: Levels in front of all topics. C(ansible) unless I(mqtt_base_topic) says otherwise.
    env: [{name: HYDRANT_BASE_TOPIC}]
    ini: [{section: callback_hydrant, key: base_topic}]
  legacy_topics:
    description: Topics, ids and payloads as the plugin mqtt.py sent them (C(playbooks/…/tasks/…), a play's own id, results as a string of JSON).
    type: bool
    env: [{name: HYDRANT_LEGACY_TOPICS}]
    ini: [{section: callback_hydrant, key: legacy_topics}]
  spool:
    description: Folder for what the bus has not taken yet. C($XDG_CACHE_HOME/hydrant/ansible), which is C(~/.cache/hydrant/ansible), unless set.
    env: [{name: HYDRANT_SPOOL}]
    ini: [{section: callback_hydrant, key: spool}]
  spool_max_bytes:
    description: The spool's bound. What does not fit is counted and told at the end of the run, and by an event.
    type: int
    default: 268435456
    env: [{name: HYDRANT_SPOOL_MAX_BYTES}]
    ini: [{section: callback_hydrant, key: spool_max_bytes}]
  max_event_bytes:
    description: The longest payload. Longer results are shortened and say so, C(truncated) and C(ansible_result_bytes).
    type: int
    default: 1048576
    env: [{name: HYDRANT_MAX_EVENT_BYTES}]
    ini: [{section: callback_hydrant, key: max_event_bytes}]
  wait_seconds:
    description: How long the end of the run waits at most for the bus to take the rest.
    type: float
    default: 5
    env: [{name: HYDRANT_WAIT_SECONDS}]
    ini: [{section: callback_hydrant, key: wait_seconds}]
  timeout_seconds:
    description: How long one answer of the bus is waited for.
    type: float
    default: 10
    env: [{name: HYDRANT_TIMEOUT_SECONDS}]
    ini: [{section: callback_hydrant, key: timeout_seconds}]
  mqtt_hostname:
    description: The MQTT broker. This and the following are also read, in lower case, from C(/etc/mqtt_client.yaml), then C(~/.mqtt_client.yaml).
    env: [{name: MQTT_HOSTNAME}]
  mqtt_port:
    description: Its port, 1883 unless set.
    env: [{name: MQTT_PORT}]
  mqtt_base_topic:
    description: Levels in front of all topics.
    env: [{name: MQTT_BASE_TOPIC}]
  mqtt_username:
    description: Account at the broker.
    env: [{name: MQTT_USERNAME}]
  mqtt_password:
    description: Its password.
    env: [{name: MQTT_PASSWORD}]
  mqtt_ca_certs:
    description: PEM file of the authorities to trust. With it the connection is TLS.
    env: [{name: MQTT_CA_CERTS}]
  mqtt_certfile:
    description: PEM file of the certificate to show.
    env: [{name: MQTT_CERTFILE}]
  mqtt_keyfile:
    description: PEM file of its private key.
    env: [{name: MQTT_KEYFILE}]
  mqtt_client_id:
    description: Client id. By default one of its own for each run.
    env: [{name: MQTT_CLIENT_ID}]
'''

import atexit
import base64
import collections
import datetime
import errno
import fcntl
import hashlib
import http.client
import json
import os
import random
import re
import socket
import ssl
import struct
import threading
import time
import urllib.parse
import uuid

import yaml

try:
    from ansible import constants, context
    from ansible.plugins.callback import CallbackBase
except ImportError:  # read without Ansible: for its functions alone
    constants, context, CallbackBase = None, None, object

# --- topics and ids: the same as src/sources/topic.ts and event-id.ts make

MAX_LEVEL_BYTES = 1024
ULID_DIGITS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'


def escape_level(text):
    """One level of a topic: what would mean something in a topic or a path is percent-encoded, and what is too long is cut."""
    if text in ('.', '..'):
        return text.replace('.', '%2E')
    whole = well_formed(text)
    escaped = re.sub(r'[%/+#\x00-\x1f\x7f-\x9f]|^\$', lambda found: ''.join('%%%02X' % byte for byte in found[0].encode()), whole)
    data = escaped.encode()
    if len(data) <= MAX_LEVEL_BYTES:
        return escaped
    return re.sub(r'(\ufffd+|%[0-9A-F]?)$', '', data[:MAX_LEVEL_BYTES].decode(errors='replace'))


def escape_levels(path):
    """Levels of what is itself a path: slashes stay, empty levels go."""
    return '/'.join(escape_level(level) for level in path.split('/') if level)


def well_formed(text):
    """Text without halves of surrogate pairs."""
    return text.encode('utf-16', 'surrogatepass').decode('utf-16', 'replace')


def event_id(time_ms, *parts):
    """An id in the form of a ULID that is the same whenever the same event is made of the same parts."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode()
        digest.update(b'%d:' % len(data) + data)
    return _digits(min(max(0, int(time_ms)), 2**48 - 1), 10) + _digits(int(digest.hexdigest()[:20], 16), 16)


def _digits(value, count):
    text = ''
    for _ in range(count):
        text = ULID_DIGITS[value & 31] + text
        value >>= 5
    return text


def utc(seconds):
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return moment.isoformat(timespec='microseconds').replace('+00:00', 'Z')


# --- results as JSON

CENSORED = {'censored': "the output has been hidden due to the fact that 'no_log: true' was specified for this result"}
MAX_DEPTH = 100


def censor(result, hidden=False):
    """A result without what no_log hides and without what is meant for Ansible itself, whatever Ansible has left in it."""
    if not isinstance(result, dict):
        return CENSORED if hidden else result
    if hidden or result.get('_ansible_no_log'):
        kept = {key: result[key] for key in ('attempts', 'changed', 'retries') if key in result}
        return {**CENSORED, **kept}
    clean = {key: value for key, value in result.items() if not str(key).startswith('_ansible_')}
    if isinstance(clean.get('results'), list):
        clean['results'] = [censor(item) for item in clean['results']]
    return clean


def to_json(value):
    """UTF-8 of any value: sets become lists, bytes text, what is no JSON its text; never throws."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_plain).encode()
    except (TypeError, ValueError, RecursionError):  # keys that are no text, NaN, circles, depth, halves of surrogate pairs
        return json.dumps(_plain(value), ensure_ascii=False, allow_nan=False).encode()


def _plain(value, depth=0):
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, str):
        return well_formed(str(value))
    if isinstance(value, float):
        return value if value - value == 0 else str(value)
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode(errors='replace')
    if hasattr(value, '_ciphertext'):  # its text would be the secret
        return {'__ansible_vault': _text(value._ciphertext)}
    if depth >= MAX_DEPTH:
        return '…'
    if isinstance(value, dict):
        return {key if isinstance(key, str) and key.isascii() else _text(key): _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        value = sorted(value, key=_text)
    if isinstance(value, (list, tuple)):
        return [_plain(item, depth + 1) for item in value]
    return _text(value)


def _text(value):
    try:
        return well_formed(value.decode(errors='replace') if isinstance(value, bytes) else str(value))
    except Exception:
        return '(a value without text)'


def shorten(value, max_length, depth=0):
    """A copy in which texts and lists have at most so many characters and items, and objects 20 times fewer keys."""
    if isinstance(value, str):
        return value if len(value) <= max_length else value[:max_length] + '… (%d characters more)' % (len(value) - max_length)
    if isinstance(value, (list, tuple)):
        return [shorten(item, max_length, depth + 1) for item in value[: max_length >> depth]]
    if isinstance(value, dict):
        keys = list(value)[: max(20, max_length // 20) >> depth // 2]
        return {key: shorten(value[key], max_length, depth + 1) for key in keys}
    return value


def payload_of(event, result, max_bytes, as_text):
    """The payload of an event with a result, shortened when it is too long."""

    def encode(result):
        return to_json({**event, 'ansible_result': to_json(result).decode() if as_text else result})

    payload = encode(result)
    if len(payload) <= max_bytes:
        return payload
    plain = _plain(result)
    event = {**event, 'truncated': True, 'ansible_result_bytes': len(to_json(plain))}
    for max_length in (max_bytes // 8, 4096, 512, 64):
        payload = encode(shorten(plain, max_length))
        if len(payload) <= max_bytes:
            return payload
    return encode({key: plain[key] for key in ('changed', 'rc') if isinstance(plain, dict) and isinstance(plain.get(key), (bool, int))})


# --- the spool: append-only files, each with the place up to which the bus has it in its first line

HEADER = b'hydrant-spool 1 %020d\n'
HEADER_BYTES = len(HEADER % 0)
SUFFIX = '.spool'
# In the names of a process's own files. Such a file must not be opened again: closing it would give up the lock.
PROCESS = uuid.uuid4().hex[:12]
SEGMENT_BYTES = 8 << 20
MEMORY_BYTES = 8 << 20
DISK_AGAIN_S = 1

Event = collections.namedtuple('Event', 'segment end id topic payload')


class Segment:
    """A file of the spool that this process holds the lock of; without a path it is in memory. Lines are id, topic and payload."""

    # Locks of fcntl end with the process and are not inherited: the workers that Ansible forks keep nothing locked when the run is killed.

    def __init__(self, path=None, fd=None, size=HEADER_BYTES, sent=HEADER_BYTES):
        self.path, self.fd, self.size, self.sent, self.taken = path, fd, size, sent, sent
        self.memory = bytearray(HEADER_BYTES) if path is None else None
        self.stored = self.done = 0
        self.is_open = True

    @classmethod
    def create(cls, folder):
        for _ in range(10):
            path = os.path.join(folder, '%013d-%s-%s%s' % (time.time() * 1000, PROCESS, uuid.uuid4().hex[:8], SUFFIX))
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                if _lock(fd) and os.fstat(fd).st_nlink == 1:
                    _write_at(fd, HEADER % HEADER_BYTES, 0)
                    _sync_folder(folder)
                    return cls(path, fd)
            except OSError:
                os.unlink(path)
                os.close(fd)
                raise
            os.close(fd)
        raise OSError(errno.EEXIST, 'no name for a file', folder)

    @classmethod
    def adopt(cls, path):
        """What another run has left, or None while that run goes on."""
        fd = os.open(path, os.O_RDWR)
        try:
            if not _lock(fd) or os.fstat(fd).st_nlink == 0:
                os.close(fd)
                return None
            size = os.fstat(fd).st_size
            header = re.fullmatch(rb'hydrant-spool 1 (\d{20})\n', os.pread(fd, HEADER_BYTES, 0))
            segment = cls(path, fd, size, min(max(HEADER_BYTES, int(header[1])), size) if header else HEADER_BYTES)
            segment.is_open = False
            segment.stored = sum(chunk.count(b'\n') for chunk in segment._chunks())
            return segment
        except OSError:
            os.close(fd)
            raise

    def append(self, line):
        if self.memory is not None:
            self.memory += line
        else:
            try:
                _write_at(self.fd, line, self.size)
            except OSError:
                os.ftruncate(self.fd, self.size)
                raise
        self.stored += 1
        self.size += len(line)

    def sync(self):
        if self.fd is not None:
            os.fsync(self.fd)

    def take(self):
        """The next line with its end, or None. A line that is not ended is what a kill has left of one: it gives what there is."""
        if self.taken >= self.size:
            return None
        data = bytearray()
        while b'\n' not in data[-CHUNK_BYTES:]:
            chunk = self._read(self.taken + len(data))
            if not chunk:
                break
            data += chunk
        line, newline, _ = bytes(data).partition(b'\n')
        self.taken += len(line) + len(newline) if data else self.size - self.taken
        return line, self.taken

    def mark(self, end):
        """All up to there need not be sent again."""
        self.sent = end
        self.done += 1
        if self.fd is not None:
            try:
                _write_at(self.fd, HEADER % end, 0)
            except OSError:
                pass  # sent again by the next run, under the same id

    def remove(self):
        if self.fd is not None:
            try:
                os.unlink(self.path)
            except OSError:
                pass  # it is marked as sent to its end: the next run removes it
            os.close(self.fd)
            self.fd = None

    def _read(self, start):
        count = min(CHUNK_BYTES, self.size - start)
        return os.pread(self.fd, count, start) if self.memory is None else bytes(self.memory[start : start + count])

    def _chunks(self):
        start = self.sent
        while start < self.size:
            chunk = self._read(start)
            if not chunk:
                return
            start += len(chunk)
            yield chunk


CHUNK_BYTES = 1 << 16


def _lock(fd):
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN):
            return False
        raise


def _sync_folder(path):
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _write_at(fd, data, start):
    view = memoryview(data)
    while view:
        count = os.pwrite(fd, view, start)
        view, start = view[count:], start + count


class Spool:
    """The folder, and the files of this run in it. One thread appends, another takes and removes; `lock` keeps the list and the counts."""

    def __init__(self, folder, max_bytes):
        self.folder, self.max_bytes = folder, max_bytes
        self.lock = threading.Lock()
        self.segments = []
        self.used = 0
        self.lost = 0
        self.first_lost = None
        self.refused = 0
        self.fault = None
        self.current = None
        self.fault_at = -DISK_AGAIN_S

    def adopt(self):
        """Takes what runs that have ended have left, oldest first."""
        self._measure()
        for name in sorted(os.listdir(self.folder)):
            if not name.endswith(SUFFIX) or PROCESS in name:
                continue
            try:
                segment = Segment.adopt(os.path.join(self.folder, name))
            except OSError:
                continue  # another account's, or just gone
            if segment and segment.sent >= segment.size:
                segment.remove()
            elif segment:
                with self.lock:
                    at = next((at for at, other in enumerate(self.segments) if PROCESS in (other.path or PROCESS)), len(self.segments))
                    self.segments.insert(at, segment)

    def append(self, line, is_urgent=False):
        """Stores a line: on disk, else in memory, else it is counted as lost. What is urgent may go beyond the bound."""
        if not is_urgent and self.used + len(line) > self.max_bytes:
            self.lose('the spool is full (spool_max_bytes is %d)' % self.max_bytes)
        elif self._is_failing() or not self._on_disk(line):
            self._in_memory(line, is_urgent)

    def lose(self, reason):
        with self.lock:
            self.lost += 1
            self.first_lost = self.first_lost or time.time()
            self.fault = self.fault or reason

    def sync(self):
        try:
            if self.current:
                self.current.sync()
        except OSError as error:
            self.fault = error.strerror

    def take(self, count):
        """The next events that have not been taken, at most so many. Lines that are none are set aside."""
        events = []
        with self.lock:
            segments = list(self.segments)
        for segment in segments:
            while len(events) < count:
                line = segment.take()
                if line is None:
                    break
                parts = line[0].split(b'\t', 2)
                if len(parts) == 3 and re.fullmatch(rb'[0-9A-Z]{26}', parts[0]) and parts[2].endswith(b'}'):
                    events.append(Event(segment, line[1], parts[0].decode(), parts[1].decode(errors='replace'), parts[2]))
                elif not events:
                    self.set_aside(line[0], 'damaged')
                    self.done(segment, line[1])
                else:
                    segment.taken = segment.sent if not events or events[-1].segment is not segment else events[-1].end
                    return events
        return events

    def done(self, segment, end):
        segment.mark(end)
        with self.lock:
            if segment.sent < segment.size or segment.is_open:
                return
            self.segments.remove(segment)
            self.used -= segment.size if segment.path else 0
        segment.remove()

    def rewind(self):
        """What was taken and not done is taken again."""
        with self.lock:
            for segment in self.segments:
                segment.taken = segment.sent

    def set_aside(self, line, reason):
        """Keeps what the bus will never take where somebody can look at it."""
        self.refused += 1
        record = json.dumps({'reason': reason, 'event': line.decode(errors='replace')}).encode() + b'\n'
        try:
            fd = os.open(os.path.join(self.folder, 'refused.ndjson'), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(fd, record)
                os.fsync(fd)
            finally:
                os.close(fd)
        except OSError as error:
            self.lose('refused.ndjson: %s' % error.strerror)

    def left(self):
        """How many events are on disk, and how many in memory only."""
        with self.lock:
            disk = sum(segment.stored - segment.done for segment in self.segments if segment.path)
            return disk, sum(segment.stored - segment.done for segment in self.segments if not segment.path)

    def end(self):
        """No more is appended."""
        with self.lock:
            for segment in list(self.segments):
                segment.is_open = False
                if segment.sent >= segment.size:
                    self.segments.remove(segment)
                    segment.remove()
            self.current = None

    def _measure(self):
        os.makedirs(self.folder, 0o700, exist_ok=True)
        with os.scandir(self.folder) as entries:
            self.used = sum(entry.stat().st_size for entry in entries if entry.is_file(follow_symlinks=False))

    def _is_failing(self):
        """In memory, and it is not yet time to try the disk again."""
        return self.current and not self.current.path and time.monotonic() - self.fault_at < DISK_AGAIN_S

    def _on_disk(self, line):
        try:
            if not self.current or not self.current.path or self.current.size >= SEGMENT_BYTES:
                self._measure()
                self._open(Segment.create(self.folder))
            self.current.append(line)
            with self.lock:
                self.used += len(line)
            return True
        except OSError as error:
            self.fault, self.fault_at = '%s: %s' % (self.folder, error.strerror), time.monotonic()
            return False

    def _in_memory(self, line, is_urgent):
        if not self.current or self.current.path:
            self._open(Segment())
        if not is_urgent and self.current.size > MEMORY_BYTES:
            self.lose('the spool does not work and memory is full')
        else:
            self.current.append(line)

    def _open(self, segment):
        with self.lock:
            before, self.current = self.current, segment
            self.segments.append(segment)
            if before:
                before.is_open = False
                if before.sent >= before.size:
                    self.segments.remove(before)
                    before.remove()


# --- ways to the bus

class Undelivered(Exception):
    """The bus did not take it now. With `again` another attempt at once makes sense."""

    def __init__(self, reason, again=False):
        super().__init__(reason)
        self.again = again


def one_line(text, max_length=300):
    return ' '.join(re.sub(r'[\x00-\x1f\x7f-\x9f]+', ' ', str(text)).split())[:max_length]


def why(error):
    if isinstance(error, socket.timeout):
        return 'no answer in time'
    if isinstance(error, ssl.SSLCertVerificationError):
        return 'its certificate is not trusted: %s' % error.verify_message
    return one_line(getattr(error, 'strerror', None) or error) or type(error).__name__


class HttpTransport:
    """POST /t/TOPIC of Hydrant, and of `hydrant outbox serve`. Yields each event once it is stored there."""

    window = 16

    def __init__(self, connect, host, prefix, headers):
        self.open, self.host, self.prefix, self.headers = connect, host, prefix, headers
        self.connection = None
        self.is_used = False

    def deliver(self, events):
        for event in events:
            yield event, self._post(event)

    def _post(self, event):
        path = '%s/t/%s' % (self.prefix, urllib.parse.quote(event.topic, safe='/'))
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection(self.host)
                self.connection.auto_open = 0
                self.connection.sock = self.open()
            headers = {'Content-Type': 'application/json', 'Hydrant-Id': event.id, **self.headers}
            self.connection.request('POST', path, event.payload, headers)
            response = self.connection.getresponse()
            body = response.read(1 << 16)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Undelivered(why(error), again=self.is_used)
        self.is_used = True
        if not response.isclosed() or self.connection.sock is None:
            self.close()
        if 200 <= response.status < 300:
            return None
        reason = '%d %s' % (response.status, _http_reason(body) or response.reason)
        if response.status in (400, 413, 414, 422):
            return reason
        raise Undelivered(reason)

    def close(self):
        self.is_used = False
        if self.connection:
            _close(self.connection.sock)
            self.connection = None


def _http_reason(body):
    try:
        return one_line(json.loads(body)['error']['message'])
    except (ValueError, KeyError, TypeError):
        return ''


CONNACK, PUBACK = 2, 4


class MqttTransport:
    """A publisher of MQTT 3.1.1 with QoS 1. Yields each event once the broker has acknowledged it."""

    window = 64
    KEEP_ALIVE_S = 60
    REFUSALS = ('', 'it does not speak MQTT 3.1.1', 'it refuses the client id', 'it is not available', 'user name or password is wrong', 'it is not allowed')
    # A broker of 3.1.1 can refuse an event only by closing. Topics are right by construction, so it is a long one that it does not want.
    LONG_BYTES = 64 << 10
    MAX_CLOSES = 3

    def __init__(self, connect, client_id, user, password):
        self.open, self.client_id, self.user, self.password = connect, client_id, user, password
        self.sock = None
        self.file = None
        self.is_used = False
        self.packet_id = 0
        self.closed_at, self.closes = None, 0
        self.sent_before = set()

    def deliver(self, events):
        if self.closes:
            events = events[:1]
        first = events[0]
        if self.closed_at == first.id and self.closes > self.MAX_CLOSES:
            self.closed_at, self.closes = None, 0
            yield first, 'the broker closes the connection when it gets these %d bytes' % len(first.payload)
            return
        waiting = collections.OrderedDict()
        try:
            if self.sock is None:
                self._connect()
            for event in events:
                self.packet_id = self.packet_id % 65535 + 1
                waiting[self.packet_id] = event
                topic = event.topic.encode()
                head = struct.pack('>H', len(topic)) + topic + struct.pack('>H', self.packet_id)
                self._send(0x3A if event.id in self.sent_before else 0x32, head, event.payload)
                self.sent_before.add(event.id)
            while waiting:
                event = waiting.pop(int.from_bytes(self._receive(PUBACK), 'big'), None)
                if event:
                    self.is_used = True
                    self.sent_before.discard(event.id)
                    self.closed_at, self.closes = None, 0
                    yield event, None
        except (ConnectionError, EOFError) as error:
            raise self._closed(next(iter(waiting.values()), None), error)
        except (OSError, ValueError) as error:
            raise Undelivered(why(error))

    def close(self):
        self.is_used = False
        if self.sock:
            try:
                self.sock.sendall(b'\xe0\x00')
            except (OSError, ValueError):
                pass
            self.file.close()
            _close(self.sock)
            self.sock = None

    def _closed(self, event, error):
        if self.is_used:  # the broker has ended what was idle: not this event's fault
            return Undelivered(why(error), again=True)
        reason = 'the broker has closed the connection' if isinstance(error, EOFError) else why(error)
        if event is None:
            return Undelivered(reason)
        isfirst = self.closed_at != event.id
        self.closed_at, self.closes = event.id, 1 if isfirst else self.closes + 1
        islong = len(event.payload) > self.LONG_BYTES
        if not islong:
            self.closes = min(self.closes, self.MAX_CLOSES)
        return Undelivered(reason, again=islong or isfirst)

    def _connect(self):
        self.sock = self.open()
        self.file = self.sock.makefile('rb')
        flags, fields = 0x02, [self.client_id]
        if self.user is not None:
            flags, fields = flags | 0x80, fields + [self.user]
            if self.password is not None:
                flags, fields = flags | 0x40, fields + [self.password]
        head = b'\x00\x04MQTT\x04' + struct.pack('>BH', flags, self.KEEP_ALIVE_S)
        self._send(0x10, head, b''.join(struct.pack('>H', len(field.encode())) + field.encode() for field in fields))
        try:
            body = self._receive(CONNACK)
        except EOFError:
            raise OSError('the broker has closed the connection before it let anybody in')
        if len(body) != 2 or body[1] >= len(self.REFUSALS):
            raise OSError('this is no MQTT broker')
        if body[1]:
            raise OSError(self.REFUSALS[body[1]])

    def _send(self, kind, *parts):
        size, length = sum(len(part) for part in parts), b''
        while True:
            size, digit = divmod(size, 128)
            length += bytes([digit | 0x80 if size else digit])
            if not size:
                break
        self.sock.sendall(bytes([kind]) + length + b''.join(parts))

    def _receive(self, kind):
        size, shift = 0, 0
        if self._read(1)[0] >> 4 != kind:
            raise OSError('this is no MQTT broker')
        while True:
            digit = self._read(1)[0]
            size |= (digit & 0x7F) << shift
            if digit < 0x80:
                break
            shift += 7
            if shift > 21:
                raise OSError('this is no MQTT broker')
        if size > 1 << 16:
            raise OSError('this is no MQTT broker')
        return self._read(size)

    def _read(self, count):
        data = self.file.read(count)
        if len(data) < count:
            raise EOFError
        return data


def _close(sock):
    # Workers that were forked meanwhile have it too; only this ends the connection for all.
    if sock:
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        sock.close()


def without_account(url):
    return re.sub('//[^/]*@', '//', url)


def open_transport(settings):
    """@throws ValueError for settings that cannot work"""
    url, timeout = settings['url'], settings['timeout_seconds']
    user, password = settings['user'], settings['password']
    if url.startswith('unix:'):
        path = url[5:]

        def connect_unix():
            sock = socket.socket(socket.AF_UNIX)
            sock.settimeout(timeout)
            sock.connect(path)
            return sock

        return HttpTransport(connect_unix, 'localhost', '', {})
    parts = urllib.parse.urlsplit(url)
    ports = {'http': 80, 'https': 443, 'mqtt': 1883, 'mqtts': 8883}
    if parts.scheme not in ports or not parts.hostname:
        raise ValueError('url %r: write http://HOST:8080, https://HOST:8443, mqtt://HOST, mqtts://HOST or unix:/PATH' % without_account(url))
    port = parts.port or ports[parts.scheme]
    if parts.username is not None:
        user, password = urllib.parse.unquote(parts.username), urllib.parse.unquote(parts.password or '')
    tls = None
    if parts.scheme in ('https', 'mqtts'):
        tls = ssl.create_default_context(cafile=settings['ca_certs'])
        if settings['certfile']:
            tls.load_cert_chain(settings['certfile'], settings['keyfile'])

    def connect():
        sock = socket.create_connection((parts.hostname, port), timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return tls.wrap_socket(sock, server_hostname=parts.hostname) if tls else sock

    if parts.scheme.startswith('mqtt'):
        return MqttTransport(connect, settings['client_id'] or 'hydrant-ansible-%s' % uuid.uuid4().hex[:12], user, password)
    headers = {}
    if settings['token']:
        headers['Authorization'] = 'Bearer %s' % settings['token']
    elif user is not None:
        headers['Authorization'] = 'Basic %s' % base64.b64encode(('%s:%s' % (user, password or '')).encode()).decode()
    host = '[%s]:%d' % (parts.hostname, port) if ':' in parts.hostname else '%s:%d' % (parts.hostname, port)
    return HttpTransport(connect, host, parts.path.rstrip('/'), headers)


# --- from the run to the spool to the bus, in two threads of its own

QUEUE_EVENTS = 10_000
QUEUE_BYTES = 32 << 20
MAX_DELAY_S = 5
IDLE_S = 10


class Delivery:
    """`put` never waits. One thread stores, and `last_line` behind all else; the other sends. `close` waits for both, for so long at most."""

    def __init__(self, spool, transport, name, last_line):
        self.spool, self.transport, self.name, self.last_line = spool, transport, name, last_line
        self.changed = threading.Condition()
        self.queue = collections.deque()
        self.queued_bytes = 0
        self.is_ending = False
        self.is_stored = False
        self.is_over = False
        self.reason = None
        self.has_news = False
        for run in (self._store, self._send):
            threading.Thread(target=run, name='hydrant', daemon=True).start()

    def put(self, line):
        with self.changed:
            if len(self.queue) >= QUEUE_EVENTS or self.queued_bytes + len(line) > QUEUE_BYTES:
                self.spool.lose('the disk of the spool is slow')
                return
            self.queue.append(line)
            self.queued_bytes += len(line)
            self.changed.notify_all()

    def close(self, wait_s):
        """What is to be said at the end, or None."""
        with self.changed:
            self.is_ending = True
            self.changed.notify_all()
            self.changed.wait_for(lambda: self.is_over, wait_s)
            reason = self.reason or 'not taken within %g s' % wait_s
            unstored = len(self.queue)
        left, memory = self.spool.left()
        lost = self.spool.lost + memory + unstored
        said = []
        if left:
            said.append('%s not sent, kept in %s for the next run: %s' % (_events(left), self.spool.folder, '%s: %s' % (self.name, reason)))
        if self.spool.refused:
            said.append('%s refused, kept in %s' % (_events(self.spool.refused), os.path.join(self.spool.folder, 'refused.ndjson')))
        if lost:
            said.append('%s lost: %s' % (_events(lost), self.spool.fault or 'the disk of the spool is slow'))
        elif self.spool.fault:
            said.append('the spool does not work: %s' % self.spool.fault)
        return 'hydrant: %s' % '; '.join(said) if said else None

    def _store(self):
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.queue or self.is_ending)
                batch = list(self.queue)
                if not batch:
                    break
            for line in batch:
                try:
                    self.spool.append(line)
                except Exception as error:  # a thread that ended would hold back all that follows
                    self.spool.lose(one_line(error))
            with self.changed:
                for line in batch:
                    self.queue.popleft()
                    self.queued_bytes -= len(line)
                self.has_news = True
                self.changed.notify_all()
            self.spool.sync()
        line = self.last_line()
        if line:
            self.spool.append(line, is_urgent=True)
            self.spool.sync()
        with self.changed:
            self.is_stored = True
            self.changed.notify_all()

    def _send(self):
        try:
            self.spool.adopt()
        except OSError as error:
            self.spool.fault = '%s: %s' % (self.spool.folder, error.strerror)
        delay_s = 0.1
        while True:
            with self.changed:
                is_last, self.has_news = self.is_stored, False
            try:
                if is_last:
                    self.spool.end()
                sent = self._send_some()
            except Exception as error:  # whatever it is, the events are kept
                self.spool.rewind()
                self.transport.close()
                if getattr(error, 'again', False):
                    continue
                self.reason = one_line(error) or type(error).__name__
                if is_last:
                    break
                # Full jitter, and one last attempt as soon as the run has ended.
                with self.changed:
                    self.changed.wait_for(lambda: self.is_stored, random.uniform(0, delay_s))
                delay_s = min(MAX_DELAY_S, delay_s * 2)
                continue
            self.reason = None
            if sent:
                delay_s = 0.1
            elif is_last:
                break
            else:
                with self.changed:
                    idle = not self.changed.wait_for(lambda: self.has_news or self.is_stored, IDLE_S)
                if idle:
                    self.transport.close()
        self.transport.close()
        with self.changed:
            self.is_over = True
            self.changed.notify_all()

    def _send_some(self):
        """@returns whether there was anything to send"""
        events = self.spool.take(self.transport.window)
        if not events:
            return False
        count = 0
        for event, refusal in self.transport.deliver(events):
            if refusal:
                self.spool.set_aside(b'\t'.join((event.id.encode(), event.topic.encode(), event.payload)), refusal)
            self.spool.done(event.segment, event.end)
            count += 1
        if count < len(events):
            self.spool.rewind()
        return True


def _events(count):
    return '1 event is' if count == 1 else '%d events are' % count


# --- settings

FILES = ('/etc/mqtt_client.yaml', '~/.mqtt_client.yaml')
OWN = ('url', 'user', 'password', 'token', 'ca_certs', 'certfile', 'keyfile', 'base_topic', 'legacy_topics')
LIMITS = ('spool', 'spool_max_bytes', 'max_event_bytes', 'wait_seconds', 'timeout_seconds')
MQTT = ('hostname', 'port', 'base_topic', 'username', 'password', 'ca_certs', 'certfile', 'keyfile', 'client_id')


def read_settings(option, files=FILES):
    """
    Settings from what `option` gives by name, then the files in their order.
    @throws ValueError, OSError for what cannot be read
    """
    found = {'mqtt_' + name: option('mqtt_' + name) for name in MQTT}
    found['legacy_topics'] = option('legacy_topics')
    for file in files:
        for key, value in _read_file(os.path.expanduser(file)).items():
            if key in found and found[key] in (None, '') and value is not None:
                found[key] = value if isinstance(value, bool) else str(value)
    settings = {name: option(name) for name in OWN + LIMITS}
    for name in ('password', 'token'):
        file = option(name + '_file')
        if not settings[name] and file:
            try:
                with open(os.path.expanduser(file), encoding='utf-8') as lines:
                    settings[name] = lines.readline().rstrip('\r\n')
            except OSError as error:
                raise ValueError('HYDRANT_%s_FILE: %s cannot be read: %s' % (name.upper(), file, error.strerror)) from error
    settings['legacy_topics'] = found['legacy_topics'] in (True, 'true', 'True', 'yes', 'on', '1')
    settings['client_id'] = found['mqtt_client_id']
    settings['base_topic'] = escape_levels(str(settings['base_topic'] or found['mqtt_base_topic'] or 'ansible'))
    cache = os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache')
    settings['spool'] = os.path.expanduser(settings['spool'] or os.path.join(cache, 'hydrant', 'ansible'))
    if not settings['url'] and found['mqtt_hostname']:
        host = str(found['mqtt_hostname'])
        scheme = 'mqtts' if found['mqtt_ca_certs'] else 'mqtt'
        settings['url'] = '%s://%s:%d' % (scheme, '[%s]' % host if ':' in host else host, int(found['mqtt_port'] or 1883))
        settings['user'], settings['password'] = found['mqtt_username'] or None, found['mqtt_password']
        for name in ('ca_certs', 'certfile', 'keyfile'):
            settings[name] = found['mqtt_' + name]
    return settings


def _read_file(path):
    try:
        with open(path, encoding='utf-8') as file:
            data = yaml.safe_load(file)
    except FileNotFoundError:
        return {}
    except yaml.YAMLError as error:
        raise ValueError('%s is no YAML: %s' % (path, one_line(error)))
    return data if isinstance(data, dict) else {}


# --- the plugin

def is_rescued(task):
    """Whether a failure of this task is caught: it is in the main part of a block with a rescue, or in anything within."""
    child, parent = task, getattr(task, '_parent', None)
    while parent is not None:
        if getattr(parent, 'rescue', None) and not _is_within(child, parent.rescue) and not _is_within(child, parent.always):
            return True
        child, parent = parent, getattr(parent, '_parent', None)
    return False


def _is_within(child, members):
    return any(member is child or getattr(member, '_uuid', None) == getattr(child, '_uuid', member) for member in members or ())


class CallbackModule(CallbackBase):
    """What Ansible calls. Each method makes an event and puts it into the queue; none waits, none throws."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = 'notification'
    CALLBACK_NAME = 'hydrant'
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, display=None):
        super().__init__(display=display)
        self._delivery = None
        self._hostname = socket.gethostname()
        self._session = str(uuid.uuid4())
        self._run_id = self._session
        self._run_file = None
        self._play = None
        self._count = 0
        self._lock = threading.Lock()
        self._pid = os.getpid()

    def set_options(self, task_keys=None, var_options=None, direct=None):
        super().set_options(task_keys=task_keys, var_options=var_options, direct=direct)
        try:
            self._settings = read_settings(self.get_option)
            if not self._settings['url']:
                raise ValueError('neither HYDRANT_URL nor MQTT_HOSTNAME is set')
            spool = Spool(self._settings['spool'], self._settings['spool_max_bytes'])
            transport = open_transport(self._settings)
            self._delivery = Delivery(spool, transport, without_account(self._settings['url']), self._gap)
            atexit.register(self._end)
        except Exception as error:
            self.disabled = True
            self._warn('hydrant: no events are published: %s' % one_line(error))

    def v2_playbook_on_start(self, playbook):
        self._finish_play()
        self._run_id = str(uuid.uuid4())
        self._run_file = getattr(playbook, '_file_name', None)

    def v2_playbook_on_play_start(self, play):
        self._finish_play()
        self._play = {'id': str(play._uuid), 'name': play.get_name(), 'status': 'OK'}
        cliargs = getattr(context, 'CLIARGS', None) or {}
        self._publish(
            ['action', 'start'],
            {
                'status': 'OK',
                'host': self._hostname,
                'session': self._session,
                **self._play_fields(),
                'ansible_type': 'start',
                'playbook_file': self._run_file,
                'check_mode': bool(cliargs.get('check')),
            },
        )

    def v2_playbook_on_stats(self, stats):
        for host in sorted(stats.processed):
            self._publish(
                ['stats', host],
                {
                    'host': self._hostname,
                    'session': self._session,
                    'ansible_type': 'stats',
                    'ansible_host': host,
                    **self._play_fields(),
                    'stats': stats.summarize(host),
                },
            )
        self._finish_play()

    def v2_runner_on_ok(self, result):
        self._task('task', 'OK', result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        rescued = not ignore_errors and is_rescued(_part(result, 'task'))
        if not ignore_errors and not rescued:
            self._fail_play()
        self._task('task', 'FAILED', result, ignored=bool(ignore_errors), rescued=rescued)

    def v2_runner_on_unreachable(self, result):
        ignored = bool(getattr(_part(result, 'task'), 'ignore_unreachable', False))
        if not ignored:
            self._fail_play()
        self._task('task', 'UNREACHABLE', result, ignored=ignored)

    def v2_runner_on_skipped(self, result):
        self._task('task', 'SKIPPED', result)

    def v2_runner_item_on_ok(self, result):
        self._task('item', 'OK', result)

    def v2_runner_item_on_failed(self, result):
        self._task('item', 'FAILED', result)

    def v2_runner_item_on_skipped(self, result):
        self._task('item', 'SKIPPED', result)

    def v2_runner_retry(self, result):
        self._task('item', 'RETRY', result)

    def _task(self, kind, status, result, **fields):
        task, host = _part(result, 'task'), _part(result, 'host').get_name()
        hidden = getattr(task, 'no_log', False) is True or (_part(result, 'task_fields') or {}).get('no_log') is True
        event = {
            'status': status,
            'host': self._hostname,
            'ansible_host': host,
            'session': self._session,
            'ansible_type': kind,
            **self._play_fields(),
            'ansible_task': str(task),
            'task_id': str(task._uuid),
            **fields,
        }
        self._publish(['task' if kind == 'task' else 'task_items', host, status], event, censor(_part(result, 'result'), hidden))

    def _play_fields(self):
        play = self._play or {'id': None, 'name': None}
        islegacy = self._settings['legacy_topics']
        return {
            'playbook_name': play['name'],
            'playbook_id': play['id'] if islegacy and play['id'] else self._run_id,
            'play_id': play['id'],
        }

    def _fail_play(self):
        if self._play:
            self._play['status'] = 'FAILED'

    def _finish_play(self, **fields):
        """Nothing tells of a play's end but the start of the next one, the statistics, and the end of the process."""
        if not self._play:
            return
        status = self._play['status']
        event = {'status': status, 'host': self._hostname, 'session': self._session, **self._play_fields(), 'ansible_type': 'finish', **fields}
        self._publish(['action', 'finish', status], event)
        self._play = None

    def _publish(self, levels, event, result=None):
        if self._settings['legacy_topics']:
            is_plural = levels[0] in ('task', 'task_items') or levels == ['action', 'start']
            root = 'playbooks' if is_plural else 'playbook'
            levels = ['tasks' if levels[0] == 'task' else levels[0], *levels[1:]]
        else:
            root = 'playbook'
        with self._lock:
            self._count += 1
            count = self._count
        now = time.time()
        event_key = event_id(now * 1000, self._session, str(count))
        event = {**event, 'timestamp': utc(now), 'event_id': event_key}
        if result is None:
            payload = to_json(event)
        else:
            payload = payload_of(event, result, self._settings['max_event_bytes'], self._settings['legacy_topics'])
        topic = '/'.join([self._settings['base_topic'], root, event['playbook_id'], *map(escape_level, levels)])
        self._delivery.put(_line(event_key, topic, payload))

    def _gap(self):
        """An event that tells of those that did not fit into the spool, or None."""
        spool = self._delivery.spool
        if not spool.lost:
            return None
        now = time.time()
        gap = {
            'source': 'ansible',
            'reason': 'spool-full',
            'from': utc(spool.first_lost),
            'until': utc(now),
            'detail': '%s lost on %s: %s' % (_events(spool.lost), self._hostname, spool.fault),
            'session': self._session,
        }
        return _line(event_id(now * 1000, self._session, 'gap'), '%s/$gap' % self._settings['base_topic'], to_json(gap))

    def _end(self):
        if os.getpid() != self._pid:
            return
        try:
            self._fail_play()
            self._finish_play(interrupted=True)
            said = self._delivery.close(self._settings['wait_seconds'])
            if said:
                self._warn(said)
        except Exception as error:
            self._warn('hydrant: %s' % one_line(error))

    def _warn(self, text):
        # One line: `warning` of the display breaks it, paths included.
        self._display.display('[WARNING]: %s' % text, color=constants.COLOR_WARN, stderr=True)


def _line(key, topic, payload):
    return b'\t'.join((key.encode(), topic.encode(), payload)) + b'\n'


def _part(result, name):
    """`host`, `task` or `result` of a result: later versions of Ansible name them without the underscore."""
    return getattr(result, name) if hasattr(result, name) else getattr(result, '_' + name)

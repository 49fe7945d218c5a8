"""The exchange of ../exchange.ts with paho-mqtt: URL CAFILE VERSION NAME."""

import hashlib
import sys
import threading
from urllib.parse import urlparse

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

broker, ca_file, version, name = sys.argv[1:]
url = urlparse(broker)
PROTOCOL = {"3": mqtt.MQTTv31, "4": mqtt.MQTTv311, "5": mqtt.MQTTv5}[version]
PATIENCE_S = 20
LARGE = bytes(i % 251 for i in range(2**20))


class Peer:
    """One client, and a count of what it has received."""

    def __init__(self, client_id, lasting=False, will=None):
        options = {} if PROTOCOL == mqtt.MQTTv5 else {"clean_session": not lasting}
        transport = "websockets" if url.scheme in ("ws", "wss") else "tcp"
        self.client = mqtt.Client(client_id, protocol=PROTOCOL, transport=transport, **options)
        if url.scheme in ("mqtts", "wss"):
            self.client.tls_set(ca_certs=ca_file)
        if will:
            self.client.will_set(will, "gone", 1)
        self.received = threading.Semaphore(0)
        self.client.on_message = self.on_message
        connected = threading.Event()
        self.client.on_connect = lambda *args: connected.set()
        if PROTOCOL == mqtt.MQTTv5:
            properties = Properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = 600 if lasting else 0
            self.client.connect(url.hostname, url.port, clean_start=not lasting, properties=properties)
        else:
            self.client.connect(url.hostname, url.port)
        self.client.loop_start()
        assert connected.wait(PATIENCE_S), "no CONNACK"

    def on_message(self, client, userdata, msg):
        payload = msg.payload
        text = payload.decode() if len(payload) <= 1000 else "sha256:" + hashlib.sha256(payload).hexdigest()
        print(msg.topic, text, msg.qos, int(msg.retain), flush=True)
        self.received.release()

    def receive(self, count):
        for _ in range(count):
            assert self.received.acquire(timeout=PATIENCE_S), "an event is missing"

    def subscribe(self, topic):
        subscribed = threading.Event()
        self.client.on_subscribe = lambda *args: subscribed.set()
        self.client.subscribe(topic, 2)
        assert subscribed.wait(PATIENCE_S), "no SUBACK"

    def publish(self, topic, payload, qos, retain=False):
        info = self.client.publish(topic, payload, qos, retain)
        info.wait_for_publish(PATIENCE_S)
        assert info.is_published()

    def leave(self):
        self.client.disconnect()
        self.client.loop_stop()


publisher = Peer(name + "-brief")
publisher.publish(name + "/kept", "kept", 1, retain=True)
subscriber = Peer(name + "-lasting", lasting=True)
subscriber.subscribe(name + "/#")
for qos in (1, 2):
    publisher.publish(name + "/live", str(qos), qos)
publisher.publish(name + "/large", LARGE, 1)
subscriber.receive(4)
# Handled only when what came before is acknowledged.
publisher.publish(name + "/live", "0", 0)
subscriber.receive(1)
subscriber.leave()

for qos in (1, 2):
    publisher.publish(name + "/missed", str(qos), qos)
subscriber = Peer(name + "-lasting", lasting=True)
subscriber.receive(2)
subscriber.leave()
publisher.leave()

doomed = Peer(name + "-doomed", will=name + "/will")
print("done", flush=True)
threading.Event().wait()

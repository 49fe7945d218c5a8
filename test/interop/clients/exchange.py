"""
Publishes and receives its own events at each QoS with one protocol version, then leaves a session and comes back to
what it missed. Prints one line for each event received and "done" at the end.
"""

import sys
import threading

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

host, port, transport, version, name = sys.argv[1:]
PROTOCOL = {"3": mqtt.MQTTv31, "4": mqtt.MQTTv311, "5": mqtt.MQTTv5}[version]
PATIENCE_S = 20


def make(client_id, lasting):
    if PROTOCOL != mqtt.MQTTv5:
        return mqtt.Client(client_id, clean_session=not lasting, protocol=PROTOCOL, transport=transport)
    return mqtt.Client(client_id, protocol=PROTOCOL, transport=transport)


def connect(client, lasting):
    connected = threading.Event()
    client.on_connect = lambda *args: connected.set()
    if PROTOCOL != mqtt.MQTTv5:
        client.connect(host, int(port))
    else:
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = 600 if lasting else 0
        client.connect(host, int(port), clean_start=not lasting, properties=properties)
    client.loop_start()
    assert connected.wait(PATIENCE_S), "no CONNACK"


def leave(client):
    client.disconnect()
    client.loop_stop()


def receive(client, count):
    got = threading.Semaphore(0)

    def on_message(client, userdata, msg):
        print(msg.topic, msg.payload.decode(), msg.qos, flush=True)
        got.release()

    client.on_message = on_message

    def wait():
        for _ in range(count):
            assert got.acquire(timeout=PATIENCE_S), "an event is missing"

    return wait


def subscribe(client, topic):
    subscribed = threading.Event()
    client.on_subscribe = lambda *args: subscribed.set()
    client.subscribe(topic, 2)
    assert subscribed.wait(PATIENCE_S), "no SUBACK"


def publish(client, topic, payload, qos):
    info = client.publish(topic, payload, qos)
    info.wait_for_publish()
    assert info.is_published()


subscriber = make(name + "-lasting", True)
wait = receive(subscriber, 3)
connect(subscriber, True)
subscribe(subscriber, name + "/#")
publisher = make(name + "-brief", False)
connect(publisher, False)
for qos in (0, 1, 2):
    publish(publisher, name + "/live", str(qos), qos)
wait()
leave(subscriber)

for qos in (1, 2):
    publish(publisher, name + "/missed", str(qos), qos)
subscriber = make(name + "-lasting", True)
wait = receive(subscriber, 2)
connect(subscriber, True)
wait()
leave(subscriber)
leave(publisher)
print("done")

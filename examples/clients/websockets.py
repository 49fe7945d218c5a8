"""
Prints every event of a Hydrant, over websockets: what passes firewalls that let only the web through.

    python3 websockets.py [HOST [PORT [CAFILE]]]

With a CAFILE (the certificate authority to trust, PEM) it speaks TLS: wss.
Needs paho-mqtt: Debian's python3-paho-mqtt, or paho-mqtt 1.x from PyPI.
"""

import sys

import paho.mqtt.client as mqtt

host = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1"
port = int(sys.argv[2]) if len(sys.argv) > 2 else 8080


def on_connect(client, userdata, flags, rc):
    print("Connected with result code " + str(rc), flush=True)
    client.subscribe("#")


def on_message(client, userdata, msg):
    print(msg.topic + " " + str(msg.payload), flush=True)


client = mqtt.Client(transport="websockets")
if len(sys.argv) > 3:
    client.tls_set(ca_certs=sys.argv[3])
client.on_connect = on_connect
client.on_message = on_message
client.connect(host, port=port)
client.loop_forever()

"""
Prints every event of a Hydrant, over MQTT with TLS.

    python3 tls.py HOST PORT [CAFILE]

CAFILE is the certificate authority to trust (PEM). Without it the system's authorities count: right for a public
certificate, not for one of `hydrant tls self-signed`.
Needs paho-mqtt: Debian's python3-paho-mqtt, or paho-mqtt 1.x from PyPI.
"""

import sys

import paho.mqtt.client as mqtt

host, port = sys.argv[1], int(sys.argv[2])
ca_file = sys.argv[3] if len(sys.argv) > 3 else None


def on_connect(client, userdata, flags, rc):
    print("Connected with result code " + str(rc), flush=True)
    client.subscribe("#")


def on_message(client, userdata, msg):
    print(msg.topic + " " + str(msg.payload), flush=True)


client = mqtt.Client()
client.tls_set(ca_certs=ca_file)
client.on_connect = on_connect
client.on_message = on_message
client.connect(host, port=port)
client.loop_forever()

"""Prints every event of a bus until it is stopped: what the first users of the firehose ran, over tcp or websockets."""

import sys

import paho.mqtt.client as mqtt


def on_connect(client, userdata, flags, rc):
    print("Connected with result code " + str(rc), flush=True)
    client.subscribe("#")


def on_message(client, userdata, msg):
    print(msg.topic + " " + str(msg.payload), flush=True)


host, port, transport = sys.argv[1:]
client = mqtt.Client(transport=transport)
client.on_connect = on_connect
client.on_message = on_message
client.connect(host, port=int(port))
client.loop_forever()

"""Does with paho-mqtt what mqttwarn does with its configuration: FOLDER of mqttwarn.ini. A stand-in, for mqttwarn is in no Debian."""

import ast
import configparser
import json
import os
import runpy
import smtplib
import sys
from email.mime.text import MIMEText

import paho.mqtt.client as mqtt

folder = sys.argv[1]
ini = configparser.RawConfigParser()
ini.read(os.path.join(folder, "mqttwarn.ini"))


def value(section, key):
    return ast.literal_eval(ini.get(section, key))


functions = runpy.run_path(os.path.join(folder, value("defaults", "functions")))
sections = [name for name in ini.sections() if name != "defaults" and not name.startswith("config:")]


def filled(section, key, data):
    text = ini.get(section, key)
    if text.endswith("()"):
        return functions[text[:-2]](data, None)
    return text.replace("\\n", "\n").format(**data)


def mail(section, data):
    service, target = ini.get(section, "targets").split(":")
    config = "config:" + service
    message = MIMEText(filled(section, "format", data), "plain", "utf-8")
    message["Subject"] = filled(section, "title", data)
    server = smtplib.SMTP(value(config, "server"))
    server.ehlo()
    server.sendmail(value(config, "sender"), value(config, "targets")[target], message.as_string())
    server.quit()


def on_connect(client, userdata, flags, result_code):
    assert result_code == 0, result_code
    for section in sections:
        client.subscribe(str(ini.get(section, "topic")), ini.getint(section, "qos"))
    client.publish(value("defaults", "lwt"), "1", qos=0, retain=True)


def on_message(client, userdata, message):
    if message.retain and value("defaults", "skipretained"):
        return
    data = {"topic": message.topic, "payload": message.payload.decode()}
    data.update(json.loads(message.payload))
    for section in sections:
        if mqtt.topic_matches_sub(ini.get(section, "topic"), message.topic):
            mail(section, data)


client = mqtt.Client(value("defaults", "clientid"), clean_session=value("defaults", "cleansession"), protocol=value("defaults", "protocol"))
client.on_connect = on_connect
client.on_message = on_message
client.username_pw_set(value("defaults", "username"), value("defaults", "password"))
client.will_set(value("defaults", "lwt"), payload="0", qos=0, retain=True)
client.connect(value("defaults", "hostname"), int(value("defaults", "port")), 60)
client.loop_forever()

// The exchange of ../exchange.ts with paho.mqtt.golang: URL CAFILE VERSION NAME.
package main

import (
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"os"
	"strings"
	"time"

	MQTT "github.com/eclipse/paho.mqtt.golang"
)

const patience = 20 * time.Second

var broker, caFile, version, name = os.Args[1], os.Args[2], os.Args[3], os.Args[4]

func check(token MQTT.Token) {
	if !token.WaitTimeout(patience) {
		panic("no answer")
	}
	if token.Error() != nil {
		panic(token.Error())
	}
}

func connect(opts *MQTT.ClientOptions) MQTT.Client {
	client := MQTT.NewClient(opts)
	check(client.Connect())
	return client
}

func options(id string, lasting bool, received chan string) *MQTT.ClientOptions {
	address := strings.NewReplacer("mqtts://", "ssl://", "mqtt://", "tcp://").Replace(broker)
	opts := MQTT.NewClientOptions().AddBroker(address).SetClientID(name + id).SetCleanSession(!lasting)
	opts.SetProtocolVersion(uint(version[0] - '0')).SetAutoReconnect(false)
	opts.SetDefaultPublishHandler(func(client MQTT.Client, msg MQTT.Message) {
		payload := string(msg.Payload())
		if len(payload) > 1000 {
			payload = fmt.Sprintf("sha256:%x", sha256.Sum256(msg.Payload()))
		}
		retained := 0
		if msg.Retained() {
			retained = 1
		}
		received <- fmt.Sprintln(msg.Topic(), payload, msg.Qos(), retained)
	})
	if caFile != "-" {
		pem, err := os.ReadFile(caFile)
		if err != nil {
			panic(err)
		}
		opts.TLSConfig.RootCAs = x509.NewCertPool()
		opts.TLSConfig.RootCAs.AppendCertsFromPEM(pem)
	}
	return opts
}

func receive(received chan string, count int) {
	for i := 0; i < count; i++ {
		select {
		case line := <-received:
			fmt.Print(line)
		case <-time.After(patience):
			panic("an event is missing")
		}
	}
}

func main() {
	large := make([]byte, 1<<20)
	for i := range large {
		large[i] = byte(i % 251)
	}
	received := make(chan string, 100)

	publisher := connect(options("-brief", false, received))
	check(publisher.Publish(name+"/kept", 1, true, "kept"))
	subscriber := connect(options("-lasting", true, received))
	check(subscriber.Subscribe(name+"/#", 2, nil))
	for qos := byte(1); qos <= 2; qos++ {
		check(publisher.Publish(name+"/live", qos, false, fmt.Sprint(qos)))
	}
	check(publisher.Publish(name+"/large", 1, false, large))
	receive(received, 4)
	// Handled only when what came before is acknowledged.
	check(publisher.Publish(name+"/live", 0, false, "0"))
	receive(received, 1)
	subscriber.Disconnect(100)

	for qos := byte(1); qos <= 2; qos++ {
		check(publisher.Publish(name+"/missed", qos, false, fmt.Sprint(qos)))
	}
	subscriber = connect(options("-lasting", true, received))
	receive(received, 2)
	subscriber.Disconnect(100)
	publisher.Disconnect(100)

	connect(options("-doomed", false, received).SetWill(name+"/will", "gone", 1, false))
	fmt.Println("done")
	select {}
}

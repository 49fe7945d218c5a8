// Prints every event of a Hydrant.
//
//	go run subscribe.go [BROKER [CAFILE]]
//
// BROKER is tcp://HOST:1883 (the default, on this machine), ssl://HOST:8883, ws://HOST:8080/ or wss://HOST:8443/;
// CAFILE is the certificate authority to trust for the two with TLS (PEM; without it the system's).
//
// Needs github.com/eclipse/paho.mqtt.golang: Debian's golang-github-eclipse-paho.mqtt.golang-dev
// (then build with GO111MODULE=off GOPATH=/usr/share/gocode), or the module.
package main

import (
	"crypto/x509"
	"fmt"
	"os"
	"strconv"
	"time"

	MQTT "github.com/eclipse/paho.mqtt.golang"
)

func onMessageReceived(client MQTT.Client, msg MQTT.Message) {
	fmt.Printf("TOPIC: %s\n", msg.Topic())
	fmt.Printf("MSG: %s\n", msg.Payload())
}

func main() {
	broker := "tcp://127.0.0.1:1883"
	if len(os.Args) > 1 {
		broker = os.Args[1]
	}
	hostname, _ := os.Hostname()
	opts := &MQTT.ClientOptions{
		ClientID: hostname + strconv.Itoa(time.Now().Second()),
	}
	opts.AddBroker(broker)
	if len(os.Args) > 2 {
		opts.TLSConfig.RootCAs = readAuthority(os.Args[2])
	}
	opts.OnConnect = func(c MQTT.Client) {
		if token := c.Subscribe("#", 0, onMessageReceived); token.Wait() && token.Error() != nil {
			fmt.Println(token.Error())
			os.Exit(1)
		}
	}

	client := MQTT.NewClient(opts)
	if token := client.Connect(); token.Wait() && token.Error() != nil {
		panic(token.Error())
	}
	for {
		time.Sleep(1 * time.Second)
	}
}

func readAuthority(file string) *x509.CertPool {
	pem, err := os.ReadFile(file)
	if err != nil {
		panic(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		panic("no certificate in " + file)
	}
	return pool
}

# Prints every event of a Hydrant.
#
#     ruby subscribe.rb [HOST [PORT [CAFILE]]]
#
# With a CAFILE (the certificate authority to trust, PEM) it speaks TLS.
# Needs the gem mqtt: gem install mqtt

require 'mqtt'

host, port, ca_file = ARGV

client = MQTT::Client.new
client.host = host || '127.0.0.1'
client.port = Integer(port || 1883)
if ca_file
  client.ssl = true
  client.ca_file = ca_file
end
client.connect
client.subscribe('#')

client.get do |topic, message|
  puts "#{topic} #{message}"
  $stdout.flush
end

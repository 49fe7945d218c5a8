/** What packets are filled with. Few topics, so that events meet subscriptions; nothing of the canary's. */
export const TOPICS = [
  'fuzz/a',
  'fuzz/b',
  'fuzz/a/b',
  'fuzz/\u{1F4A7}/\u00fc',
  '/fuzz',
  'fuzz/',
  'fuzz//b',
  ' ',
  '/',
  '//',
  '$fuzz/a',
  '\uFEFFfuzz',
  'fuzz/\u0001\uFFFD',
];

/** Taken by nobody but the server; refused or dropped, but acknowledged. */
export const RESERVED_TOPICS = ['$SYS/fuzz', '$hydrant/fuzz', '$history/0/fuzz/a', '$share/g/fuzz/a', '$SYS', '$share'];

/** At or past what a server may be willing to take. */
export const EXTREME_TOPICS = ['l/'.repeat(150), '/'.repeat(1000), 'x'.repeat(65_535), `fuzz/${'deep/'.repeat(5000)}`];

export const FILTERS = [
  '#',
  '+/#',
  'fuzz/#',
  'fuzz/+',
  'fuzz/a',
  'fuzz/b',
  'fuzz/+/b',
  '+/+',
  '/#',
  '/+',
  'fuzz/a/#',
  'fuzz//+',
  '$fuzz/#',
  '\u{1F4A7}/+',
];

/** Granted or refused as the server likes. */
export const STRANGE_FILTERS = [
  '$SYS/#',
  '$SYS/+',
  '$hydrant/#',
  '$bus/#',
  '$share/g/fuzz/#',
  '$share/g/fuzz/a',
  '$share/h/#',
  '$history/0/fuzz/#',
  '$history/1m/fuzz/a',
  '$history/1/#',
  '$share/g/$history/0/fuzz/#',
  '$history/0/$share/g/fuzz/#',
  `${'+/'.repeat(120)}#`,
  'x'.repeat(65_535),
];

/** Refused in the SUBACK, or with a close. */
export const BAD_FILTERS = [
  'fuzz/#/a',
  'fuzz+',
  '#a',
  '+a/b',
  'fuzz/a#',
  '$share/',
  '$share/g',
  '$share/g/',
  '$share//fuzz',
  '$share/+/fuzz',
  '$share/#/fuzz',
  '$history/',
  '$history/never/fuzz',
  '$history/0/',
  '$history/0/#/a',
  '$history/99999999999999999999/fuzz',
  '',
];

export const NAMES = ['', 'a', 'name', '\u00fc\u{1F4A7}', 'n'.repeat(200)];

/** Byte sequences that are no UTF-8, and U+0000. MQTT 5 §1.5.4. */
export const BAD_TEXTS = [
  Buffer.from([0x61, 0x80]),
  Buffer.from([0x61, 0xc3]),
  Buffer.from([0xc0, 0xaf]),
  Buffer.from([0xed, 0xa0, 0x80]),
  Buffer.from([0xf4, 0x90, 0x80, 0x80]),
  Buffer.from([0xff]),
  Buffer.from([0x61, 0x00, 0x62]),
];

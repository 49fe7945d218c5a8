export interface LaunchpadMail {
  /** Default 1680938. */
  number?: number;
  /** Header lines that replace those of the same name, or are added; undefined removes one. */
  headers?: Record<string, string | string[] | undefined>;
  body?: string;
}

/** A mail such as Launchpad sends about a bug, with CRLF line ends. */
export function launchpadMail({ number = 1680938, headers = {}, body = 'It happens here too.\n' }: LaunchpadMail = {}): string {
  const lines: Record<string, string | string[] | undefined> = {
    Received: 'from mail.example.net by mx.example.org; Thu, 06 Apr 2017 10:04:22 +0000',
    'MIME-Version': '1.0',
    'Content-Type': 'text/plain; charset="utf-8"',
    'Content-Transfer-Encoding': '8bit',
    Date: 'Thu, 06 Apr 2017 10:04:21 -0000',
    From: `Maja Kowalski <${number}@bugs.launchpad.net>`,
    To: 'bugs@example.org',
    'Reply-To': `Bug ${number} <${number}@bugs.launchpad.net>`,
    'X-Launchpad-Notification-Type': 'bug',
    'X-Launchpad-Bug': 'product=octavia; status=Triaged; importance=Medium;\r\n assignee=mkowalski; ',
    'X-Launchpad-Bug-Tags': 'health-manager low-hanging-fruit',
    'X-Launchpad-Bug-Information-Type': 'Public',
    'X-Launchpad-Bug-Private': 'no',
    'X-Launchpad-Bug-Security-Vulnerability': 'no',
    'X-Launchpad-Bug-Commenters': 'mkowalski rtanaka',
    'X-Launchpad-Bug-Reporter': 'Rin Tanaka (rtanaka)',
    'X-Launchpad-Bug-Modifier': 'Maja Kowalski (mkowalski)',
    'Message-Id': `<${number}.malone@launchpad.example>`,
    Subject: `[Bug ${number}] Re: Amphora stays in ERROR`,
    'X-Launchpad-Message-Rationale': 'Subscriber (octavia) @lb-watchers',
    'X-Launchpad-Message-For': 'lb-watchers',
    'X-Generated-By': 'Launchpad (canonical.com); Revision="dccd80"; Instance="production"',
    ...headers,
  };
  const head = Object.entries(lines).flatMap(([name, value]) =>
    value === undefined ? [] : [value].flat().map((one) => `${name}: ${one}`),
  );
  return `${head.join('\r\n')}\r\n\r\n${body.replace(/\r?\n/g, '\r\n')}`;
}

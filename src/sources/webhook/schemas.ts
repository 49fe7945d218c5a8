import type { Derived, EventSchema } from '../schema.ts';
import { event, list, NUMBER, object, type Read, TEXT } from './schema-parts.ts';
import { GITHUB } from './schemas-github.ts';
import { GITLAB } from './schemas-gitlab.ts';
import { LAUNCHPAD } from './schemas-launchpad.ts';

const labels = { type: 'object', additionalProperties: TEXT } as const;

const standard = event('standard', {
  topic: '{event}',
  title: 'Standard Webhooks: an event of any sender that keeps to them',
  properties: { type: TEXT, timestamp: TEXT, data: {} },
  required: ['type', 'data'],
  example: { type: 'parcel.delivered', timestamp: '2026-11-21T07:31:05Z', data: { parcel: 'P-40017', door: 'left' } },
  summary: (read) => read('type') ?? 'An event',
});

const alerts = event('alertmanager', {
  topic: '{receiver}/{status}',
  title: 'Alertmanager: a group of alerts fires, is told again, or is over',
  properties: {
    version: TEXT,
    groupKey: { ...TEXT, description: 'The same as long as the group lasts.' },
    truncatedAlerts: NUMBER,
    status: { enum: ['firing', 'resolved'] },
    receiver: TEXT,
    groupLabels: labels,
    commonLabels: labels,
    commonAnnotations: labels,
    externalURL: TEXT,
    alerts: list(
      object({ status: TEXT, labels, annotations: labels, startsAt: TEXT, endsAt: TEXT, generatorURL: TEXT, fingerprint: TEXT }, [
        'status',
      ]),
    ),
  },
  required: ['status', 'receiver', 'alerts'],
  example: {
    version: '4',
    groupKey: '{}:{alertname="PumpStalled"}',
    truncatedAlerts: 0,
    status: 'firing',
    receiver: 'hydrant',
    groupLabels: { alertname: 'PumpStalled' },
    commonLabels: { alertname: 'PumpStalled', severity: 'critical', site: 'north' },
    commonAnnotations: { summary: 'Pump 2 does not turn' },
    externalURL: 'http://alertmanager.example:9093',
    alerts: [
      {
        status: 'firing',
        labels: { alertname: 'PumpStalled', severity: 'critical', site: 'north' },
        annotations: { summary: 'Pump 2 does not turn' },
        startsAt: '2026-11-21T06:02:11.500Z',
        endsAt: '0001-01-01T00:00:00Z',
        generatorURL: 'http://prometheus.example:9090/graph?g0.expr=pump_rpm',
        fingerprint: 'a5c31f0e9b7d2468',
      },
    ],
  },
  summary: (read) => {
    const name = read('groupLabels.alertname') ?? read('commonLabels.alertname') ?? 'Alerts';
    const text = read('commonAnnotations.summary') ?? read('alerts.0.annotations.summary');
    return `${name} ${read('status') ?? ''}${text === undefined ? '' : `: ${text}`}`;
  },
  url: ['externalURL'],
  severity: alertSeverity,
});

/** Of the presets; what `generic` brings has no schema, and what `gerrit` brings those of the source gerrit. */
export const SCHEMAS: readonly EventSchema[] = [...GITHUB, ...GITLAB, ...LAUNCHPAD, standard, alerts];

function alertSeverity(read: Read): Derived['severity'] {
  if (read('status') !== 'firing') return 'info';
  return /^(critical|error|page)$/i.test(read('commonLabels.severity') ?? '') ? 'error' : 'warning';
}

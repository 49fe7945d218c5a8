import { isJsonType, JSON_TYPE, parseObject, textAt } from './json-body.ts';
import type { Preset } from './preset.ts';
import { proveToken, shownCredential } from './proof.ts';

/** Alertmanager of Prometheus, and Grafana, which writes the same. It gives no ids: a reminder says word for word what was said before, and is an event too. */
export const alertmanager: Preset = {
  name: 'alertmanager',
  topic: '{base}/{receiver}/{status}',
  takes: isJsonType,
  prove: ({ headers }, { secrets }) => proveToken(shownCredential(headers), secrets),
  read({ body }) {
    const data = parseObject(body);
    return {
      fields: { event: textAt(data, 'status') },
      payload: body,
      contentType: JSON_TYPE,
      data,
      schema: 'webhook.alertmanager',
    };
  },
};

import { isIP } from 'node:net';
import type { Config } from './config-schema.ts';
import { isTlsDoor, type OpenDoor, openDoors } from './listener-options.ts';

/** Whether an address to bind is reachable from this machine only. */
export function isLoopback(host: string): boolean {
  if (isIP(host) === 4) return host.startsWith('127.');
  return host === 'localhost' || host === '::1';
}

/** What is wrong with keys that are right one by one. */
export function configFaults(config: Config): ConfigRuleFault[] {
  return [...doorFaults(config), ...tlsFaults(config), ...accessFaults(config), ...archiveFaults(config)];
}

export interface ConfigRuleFault {
  path: string;
  message: string;
}

function archiveFaults({ archive }: Config): ConfigRuleFault[] {
  const faults: ConfigRuleFault[] = [];
  if (archive.layout === 'daily' && archive.codec !== 'gzip') {
    faults.push({ path: 'archive.codec', message: `archive.codec is "${archive.codec}", but archive.layout: daily is gzip always` });
  }
  if (archive.to !== undefined && !archive.enabled) {
    faults.push({
      path: 'archive.to',
      message: 'archive.to is given, but archive.enabled is false: nothing would be sealed to be uploaded',
    });
  }
  const { urls, tls } = archive.broker;
  const { cert, key } = tls;
  const file = (['ca', 'cert', 'key'] as const).find((name) => tls[name] !== undefined);
  if (file && urls.length > 0 && !urls.some((url) => /^(mqtts|wss):/i.test(url))) {
    const message = `archive.broker.tls.${file} is given, but no broker is mqtts:// or wss://: nothing would be encrypted`;
    faults.push({ path: `archive.broker.tls.${file}`, message });
  }
  if ((cert === undefined) !== (key === undefined)) {
    const [path, other] = cert === undefined ? ['key', 'cert'] : ['cert', 'key'];
    faults.push({
      path: `archive.broker.tls.${path}`,
      message: `archive.broker.tls.${path} is given without archive.broker.tls.${other}, ${BOTH}`,
    });
  }
  return faults;
}

function accessFaults({ access, tls }: Config): ConfigRuleFault[] {
  if (!access.certificateUser || tls.clientCertificates !== 'none') return [];
  const message = 'access.certificateUser is true, but clients are not asked for certificates: set tls.clientCertificates and tls.ca';
  return [{ path: 'access.certificateUser', message }];
}

/** The keys of the listeners that other machines reach, and reach without a certificate of their own. */
export function exposedListeners(config: Config): { path: string; host: string }[] {
  const certified = config.tls.clientCertificates === 'required';
  return openDoors(config)
    .filter((door) => !isLoopback(door.host) && !(certified && isTlsDoor(door)))
    .map(({ name, host }) => ({ path: `listeners.${name}.host`, host }));
}

function doorFaults(config: Config): ConfigRuleFault[] {
  const doors = openDoors(config);
  if (doors.length === 0) return [{ path: 'listeners.http.enabled', message: 'every listener is off: nobody could reach the server' }];
  return doors.flatMap((door, index) => {
    const rival = doors.slice(0, index).find((other) => door.port !== 0 && door.port === other.port && door.host === other.host);
    if (!rival) return [];
    const path = `listeners.${door.name}.port`;
    return [{ path, message: `${path} is ${door.port} on ${door.host}, and so is listeners.${rival.name}.port` }];
  });
}

function tlsFaults(config: Config): ConfigRuleFault[] {
  const { cert, key, ca, clientCertificates } = config.tls;
  const faults: ConfigRuleFault[] = [];
  if (cert !== undefined && key === undefined) faults.push({ path: 'tls.cert', message: `tls.cert is given without tls.key, ${BOTH}` });
  if (key !== undefined && cert === undefined) faults.push({ path: 'tls.key', message: `tls.key is given without tls.cert, ${BOTH}` });
  if (cert === undefined && key === undefined) faults.push(...openDoors(config).filter(isTlsDoor).map(noCertificate));
  if (clientCertificates !== 'none' && ca === undefined) {
    const message = `tls.clientCertificates is ${clientCertificates}, but tls.ca names no authority that could have signed them`;
    faults.push({ path: 'tls.clientCertificates', message });
  }
  return faults;
}

const BOTH = 'and a certificate is of no use without its key: give both';

function noCertificate({ name }: OpenDoor): ConfigRuleFault {
  const path = `listeners.${name}.enabled`;
  return {
    path,
    message: `${path} is true, but there is no certificate: give tls.cert and tls.key (hydrant tls self-signed makes a try-out pair)`,
  };
}

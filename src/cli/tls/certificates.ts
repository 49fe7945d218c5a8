import 'reflect-metadata';
import { createPrivateKey, KeyObject, webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import * as x509 from '@peculiar/x509';

/** A certificate and its private key, both PEM. */
export interface CertificatePair {
  cert: string;
  key: string;
}

export interface Validity {
  from: Date;
  until: Date;
}

export interface CertificateWish extends Validity {
  /** Common name of the subject, at most 64 characters; none when empty. */
  name: string;
  use: 'server' | 'client';
  /** Host names and addresses that a server is reached under. */
  hosts?: readonly string[];
}

const KEY = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const SIGNATURE = { name: 'ECDSA', hash: 'SHA-256' } as const;
const { KeyUsageFlags } = x509;

/** Makes an authority: a certificate that signs others and is signed by itself. ECDSA P-256. */
export async function createAuthority(name: string, { from, until }: Validity): Promise<CertificatePair> {
  const keys = await webcrypto.subtle.generateKey(KEY, true, ['sign', 'verify']);
  const cert = await x509.X509CertificateGenerator.createSelfSigned({
    name: [{ CN: [name] }],
    keys,
    notBefore: from,
    notAfter: until,
    signingAlgorithm: SIGNATURE,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { cert: `${cert.toString('pem')}\n`, key: pemOf(keys.privateKey) };
}

/** Makes a certificate signed by an authority, for one server or one client. ECDSA P-256. */
export async function issueCertificate(authority: CertificatePair, wish: CertificateWish): Promise<CertificatePair> {
  const { name, use, hosts = [], from, until } = wish;
  const issuer = new x509.X509Certificate(authority.cert);
  const keys = await webcrypto.subtle.generateKey(KEY, true, ['sign', 'verify']);
  const extensions: x509.Extension[] = [
    new x509.BasicConstraintsExtension(false, undefined, true),
    new x509.KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
    new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage[use === 'server' ? 'serverAuth' : 'clientAuth']]),
    await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    await x509.AuthorityKeyIdentifierExtension.create(await issuer.publicKey.export()),
  ];
  if (hosts.length > 0) {
    extensions.push(new x509.SubjectAlternativeNameExtension(hosts.map((value) => ({ type: isIP(value) ? 'ip' : 'dns', value }))));
  }
  const cert = await x509.X509CertificateGenerator.create({
    subject: name === '' ? [] : [{ CN: [name] }],
    issuer: issuer.subjectName,
    publicKey: keys.publicKey,
    signingKey: createPrivateKey(authority.key).toCryptoKey(KEY, false, ['sign']),
    notBefore: from,
    notAfter: until,
    signingAlgorithm: SIGNATURE,
    extensions,
  });
  return { cert: `${cert.toString('pem')}\n`, key: pemOf(keys.privateKey) };
}

function pemOf(key: webcrypto.CryptoKey): string {
  return KeyObject.from(key).export({ type: 'pkcs8', format: 'pem' }) as string;
}

import { execFileSync, spawnSync } from 'node:child_process'

export interface TlsCertificate {
  /** PEM. The certificate is its own authority: who trusts it takes `cert` as `ca`. */
  cert: string
  key: string
}

/** A test that needs a certificate is skipped, loudly, where there is none. */
export const hasOpenssl = spawnSync('openssl', ['version'], { stdio: 'ignore' }).status === 0

/**
 * Makes a certificate that nobody has signed but itself, for a day. No key is kept in the repository, nor on the disk.
 * @param names `DNS:receiver.test`, `IP:127.0.0.1`: whom it is for
 */
export function makeCertificate(names: readonly string[] = ['DNS:localhost', 'IP:127.0.0.1', 'IP:::1']): TlsCertificate {
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1']
  const words = ['req', '-x509', ...curve, '-nodes', '-days', '1', '-subj', '/CN=receiver', '-addext', `subjectAltName=${names.join(',')}`]
  const pem = execFileSync('openssl', [...words, '-keyout', '-', '-out', '-'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  return { cert: blockOf(pem, 'CERTIFICATE'), key: blockOf(pem, 'PRIVATE KEY') }
}

function blockOf(pem: string, name: string): string {
  const [block] = new RegExp(`-----BEGIN ${name}-----.*?-----END ${name}-----\n`, 's').exec(pem) ?? []
  if (block === undefined) throw new Error(`openssl gave no ${name}.`)
  return block
}

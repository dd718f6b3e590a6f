import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from '@jest/globals';
import { TestAuthority } from '@switchyard/testing';
import { TEST_TIMEOUT_MS, type FaultSuite } from './alert-stage.js';

/** Ahead of everybody else's; the ingress is told to serve all the same. */
const SKEW_MS = 500;
/** Of every turn of so many milliseconds the process is held for the greater part, yet answers within a scrape's time. */
const TURN_MS = 1_000;
const HELD_MS = 700;

/** Of a certificate that began an hour ago, as those of tests do, less than a quarter of its life. */
const LAST_QUARTER_MS = 18 * 60_000;

/** It ends within the hour. The others speak in plain text, so that its process reaches none of them; what it shows of itself does not need them. */
function shortLivedCertificate(): Record<string, string> {
  const folder = mkdtempSync(join(tmpdir(), 'switchyard-certificate-'));
  const authority = new TestAuthority();
  const name = 'services.switchyard';
  const { certificate, key } = authority.issue({ names: [name], expiresAt: new Date(Date.now() + LAST_QUARTER_MS) });
  const place = (file: string, text: string): string => {
    const path = join(folder, file);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };
  return {
    SWITCHYARD_TLS_CERT_FILE: place('tls.crt', certificate),
    SWITCHYARD_TLS_KEY_FILE: place('tls.key', key),
    SWITCHYARD_TLS_CA_FILE: place('ca.crt', authority.certificate),
    SWITCHYARD_TLS_SERVER_NAME: name,
  };
}

export const processesSuite: FaultSuite = (stage) => {
  describe('processes', () => {
    const signal = (pids: readonly number[], name: NodeJS.Signals): void => pids.forEach((pid) => process.kill(pid, name));

    it.each([
      ['router', ['SwitchyardProcessDown', 'SwitchyardRoutingTableStale']],
      ['billing', ['SwitchyardKeysStale', 'SwitchyardBillingUnreachable']],
      ['ingress', ['SwitchyardNobodyServes']],
    ])(
      'no %s that answers',
      async (target, alerts) => {
        const pids = stage().pidsOf(target);
        await stage().expectUnder(
          alerts,
          () => signal(pids, 'SIGSTOP'),
          () => signal(pids, 'SIGCONT'),
        );
      },
      TEST_TIMEOUT_MS,
    );

    it(
      'a worker that turns to its sockets only now and then',
      async () => {
        const pids = stage().pidsOf('worker');
        const timers: NodeJS.Timeout[] = [];
        const hold = (): void => {
          signal(pids, 'SIGSTOP');
          timers[1] = setTimeout(() => signal(pids, 'SIGCONT'), HELD_MS);
        };
        await stage().expectUnder(
          ['SwitchyardEventLoopBlocked'],
          () => void (timers[0] = setInterval(hold, TURN_MS)),
          () => {
            timers.forEach(clearTimeout);
            signal(pids, 'SIGCONT');
          },
        );
      },
      TEST_TIMEOUT_MS,
    );

    it(
      'an ingress whose clock is ahead',
      async () => {
        await using ingress = stage().furtherIngress();
        const environment = { SWITCHYARD_CLOCK_OFFSET_MS: String(SKEW_MS), SWITCHYARD_MAX_CLOCK_SKEW_MS: String(2 * SKEW_MS) };
        await stage().expectUnder(
          ['SwitchyardClockSkewed'],
          () => ingress.start(environment),
          () => ingress.kill(),
        );
      },
      TEST_TIMEOUT_MS,
    );

    it(
      'an ingress whose certificate nobody renews',
      async () => {
        await using ingress = stage().furtherIngress();
        await stage().expectUnder(
          ['SwitchyardCertificateExpires'],
          () => ingress.start(shortLivedCertificate()),
          () => ingress.kill(),
        );
      },
      TEST_TIMEOUT_MS,
    );

    it(
      'a collector of spans that is down',
      async () => {
        const { collector } = stage();
        await stage().expectUnder(
          ['SwitchyardSpansLost'],
          () => collector.stop(),
          () => collector.startAgain(),
        );
      },
      TEST_TIMEOUT_MS,
    );
  });
};

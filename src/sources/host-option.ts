import { z } from 'zod';

/** A URL, a user in front, a port behind. An IPv6 address has colons and is none of these. */
const MORE_THAN_A_HOST = /[/@\s]|^[^:]*:\d*$/;

/** Name or address of a server whose port is an option of its own. */
export function hostOption() {
  return z.string().superRefine((value, context) => {
    if (value === '' || MORE_THAN_A_HOST.test(value))
      context.addIssue({
        code: 'custom',
        message: `${JSON.stringify(value)} is no host: write only the name or the address, such as review.example.org; user and port are options of their own`,
      });
  });
}

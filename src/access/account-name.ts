/** Names of accounts that mean something else in the rules. */
const TAKEN = ['anonymous', '*'];

/** Why nobody may come in under a name, wherever it comes from, or undefined when somebody may. */
export function userFault(name: string): string | undefined {
  if (name === '') return 'a name needs at least one character';
  if (TAKEN.includes(name)) return `the name ${name} means something else in the rules`;
  if (name.startsWith('$')) return 'a name does not begin with $: the server’s own parts have those';
  return /\p{Cc}/u.test(name) || !name.isWellFormed() ? 'a name has no control characters' : undefined;
}

/** Why a name cannot stand in a password file, or undefined when it can. Names there fill `%u`, so they are one topic level. */
export function accountFault(name: string): string | undefined {
  const fault = userFault(name);
  if (fault) return fault;
  if (/[:/+#]/.test(name)) return 'the name of an account has no : / + or #';
  if (name.trim() !== name) return 'the name of an account neither begins nor ends with a space';
  return Buffer.byteLength(name) > 256 ? 'the name of an account has at most 256 bytes' : undefined;
}

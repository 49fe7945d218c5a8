/**
 * Named places at which a test can make the process die. `HYDRANT_CRASH=name` or `name:3` (the third
 * time) sends SIGKILL to the process itself there; without the variable a crash point costs one comparison.
 */
const wanted = process.env.HYDRANT_CRASH;
const [name, count] = wanted ? wanted.split(':') : [];
let left = Number(count ?? 1);

export function crashPoint(here: string): void {
  if (name === undefined || here !== name) return;
  if (--left === 0) process.kill(process.pid, 'SIGKILL');
}

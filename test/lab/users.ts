/** An account of the test run. scripts/namespaces.ts makes them; they exist nowhere else. */
export interface User {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

const user = (name: string, id: number): User => ({
  name,
  uid: id,
  gid: id,
  home: `/run/home/${name}`,
});

/** alice and carol are also members of the group `cards`. */
export const users = {
  root: user("root", 0),
  alice: user("alice", 4101),
  bob: user("bob", 4102),
  carol: user("carol", 4103),
} as const;
export type UserName = keyof typeof users;

export const CARDS_GID = 4200;

export function mountReplay() { throw new Error("not written"); }

/**
 * Has the server process of a session keep the memory it has once used, for the session's life. With glibc a process gives the
 * top of its heap back whenever more than 128 kB there are free, so at the end of many a statement, and takes it again with
 * the next: a page fault each 4 kB. Once a block of 2 MB is freed, up to 4 MB stay (M_MMAP_THRESHOLD in
 * https://man7.org/linux/man-pages/man3/mallopt.3.html). It takes a millisecond; `version()` has it done once, as planning
 * would do it otherwise and keep a copy. Where memory is given out in other ways nothing changes.
 */
export const KEEP_HEAP = 'select octet_length(repeat(rpad(version(), 8192), 256))';

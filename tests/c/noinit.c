/* A library that is no service. */
void
noinit_release(void *inst) {
	(void)inst;
}

/* The empty program that `make layers` links with each prefix of the line of folders. */
int main(void)
{
    return 0;
}

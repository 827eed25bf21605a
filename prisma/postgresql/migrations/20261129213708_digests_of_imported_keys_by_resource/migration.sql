-- DropIndex
DROP INDEX "ApiKey_digest_key";

-- CreateIndex
CREATE UNIQUE INDEX "ApiKey_digest_resourceId_key" ON "ApiKey"("digest", "resourceId");

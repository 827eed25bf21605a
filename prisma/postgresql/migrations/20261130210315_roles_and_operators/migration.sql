-- AlterTable
ALTER TABLE "Client" ADD COLUMN     "creatorId" TEXT;

-- AlterTable
ALTER TABLE "Member" ADD COLUMN     "email" TEXT,
ADD COLUMN     "normalEmail" TEXT,
ADD COLUMN     "operator" BOOLEAN NOT NULL DEFAULT false;

-- CreateIndex
CREATE INDEX "Client_creatorId_idx" ON "Client"("creatorId");

-- CreateIndex
CREATE UNIQUE INDEX "Member_organizationId_normalEmail_key" ON "Member"("organizationId", "normalEmail");

-- AddForeignKey
ALTER TABLE "Client" ADD CONSTRAINT "Client_creatorId_fkey" FOREIGN KEY ("creatorId") REFERENCES "Member"("id") ON DELETE RESTRICT ON UPDATE CASCADE;
